"""What `split` and `rollback` share: change a route's traffic, wait until it is in force, show what moved."""

import time
from collections.abc import Callable
from typing import Any

from gateway.cli.client import IN_FORCE_TIMEOUT_S, AdminClient, InForce, Json
from routing.assignment.buckets import BUCKETS


def change_traffic(client: AdminClient, route: str, change: Callable[[Json], Json]) -> Json:
    """Read a route, change it, wait for the workers.

    Args:
        client: the running gateway.
        route: its name.
        change: given the route as it was, makes the change and returns the route as it is.
    """
    since_s = time.monotonic()
    before = client.route(route)
    after = change(before)
    in_force = client.wait_in_force(after["revision"], since_s)
    found: Json = {
        "ok": not in_force.behind,
        "route": route,
        "revision": after["revision"],
        "split": after["split"],
        "before": before["split"],
        "moved_percent": moved(before["ranges"], after["ranges"]) / (BUCKETS / 100),
        "workers": in_force.workers,
        "in_force_after_ms": in_force.after_ms,
        "warnings": after["warnings"],
    }
    if in_force.behind:
        found["error"] = {"message": behind(after["revision"], in_force), "code": "not_in_force"}
    return found


def moved(before: list[Json], after: list[Json]) -> int:
    """How many buckets changed their arm."""
    return sum(was != now for was, now in zip(_owners(before), _owners(after), strict=True))


def show_traffic(found: Json) -> None:
    """A small table and what came of it."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False)
    table.add_column("arm")
    table.add_column("before", justify="right")
    table.add_column("now", justify="right", style="bold")
    for arm in {**found["before"], **found["split"]}:
        table.add_row(arm, percent(found["before"].get(arm, 0)), percent(found["split"].get(arm, 0)))
    console.print(table)
    console.print(f"{percent(found['moved_percent'])} of the units moved; revision {found['revision']}", soft_wrap=True)
    console.print(_arrival(found), soft_wrap=True)
    for warning in found["warnings"]:
        console.print(f"note: {warning}", markup=False, soft_wrap=True)


def percent(value: Any) -> str:
    """As it is written for people."""
    return f"{value:g} %"


def _owners(ranges: list[Json]) -> list[str]:
    return [held["arm"] for held in ranges for _ in range(held["start"], held["stop"])]


def _arrival(found: Json) -> str:
    count = found["workers"]
    if not count:
        return "no worker is running; it counts from their start on"
    return f"in force after {found['in_force_after_ms']} ms on {count} worker{'' if count == 1 else 's'}"


def behind(revision: int, in_force: InForce) -> str:
    """What is said of workers that did not report a revision in time."""
    return (
        f"revision {revision} is published, but {len(in_force.behind)} of {in_force.workers} workers did not report it "
        f"within {IN_FORCE_TIMEOUT_S:g} s: {', '.join(in_force.behind)}"
    )
