"""`fallgate drifting`: what has moved on a route, how far, and since when."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.client import Json, run

MOST_QUIET = 5


def drifting(
    route: Annotated[str, typer.Argument(help="The route.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what of a route's requests and answers has moved, by arm: how far, since when, and compared with what.

    That something has moved is a result, with exit code 0.
    """

    run(
        "drifting",
        lambda client: {"ok": True, **client.drift(route)},
        lambda found: show(found, Console(highlight=False)),
        as_json=as_json,
    )


def show(found: Json, console: Console) -> None:
    """Print it for people."""
    if not found["settings"]["enabled"]:
        console.print(f"route {found['route']} is not watched: its drift.enabled is false")
    for arm in found["arms"]:
        console.print()
        console.print(Text(f"{arm['model']}  {arm['share']:g} % of the units", style="bold"))
        for side, reference in arm["references"].items():
            console.print(f"  {'requests' if side == 'input' else 'answers'}: {_compared(reference)}")
        _show_accuracy(arm["accuracy"], console)
        _show_alarms(arm, console)


def _compared(reference: Json) -> str:
    if not reference["is_complete"]:
        return f"no reference yet, {reference['n']} of its first {reference['wanted']} requests"
    what = "its training set" if reference["source"] == "training" else "its first requests"
    return f"compared with {what} ({reference['n']})"


def _show_accuracy(quality: Json | None, console: Console) -> None:
    for name, label in (("estimated", "accuracy by confidence"), ("audited", "accuracy by audits")):
        known = None if quality is None else quality[name]
        if known is not None:
            band = f"({known['lower']:.3f} to {known['upper']:.3f}, {known['n']} answers)"
            console.print(f"  {label} {known['accuracy']:.3f} {band}")
    if quality is not None and quality["parted_since_us"] is not None:
        since = _moment(quality["parted_since_us"])
        console.print(f"  the two have parted since {since}: what is asked means something else now", style="bold red")


def _show_alarms(arm: Json, console: Console) -> None:
    windows = arm["windows"]
    if not windows:
        console.print("  no window is over yet")
        return
    findings = {one["name"]: one for one in windows[0]["findings"]}
    if not arm["alarms"]:
        furthest = [one for one in windows[0]["findings"] if one["note"] is None][:MOST_QUIET]
        names = ", ".join(f"{one['name']} {one['psi']:.3f}" for one in furthest)
        console.print(f"  nothing has moved; the furthest by PSI: {names or 'nothing could be compared'}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("moved", "what", "since", "PSI", "before", "now"):
        table.add_column(heading)
    for alarm in arm["alarms"]:
        one = findings.get(alarm["feature"])
        table.add_row(
            Text(f"  {alarm['feature']}", style="bold red"),
            alarm["family"] if alarm["cause"] == "window" else f"{alarm['family']}, {alarm['cause']}",
            _moment(alarm["since_us"]),
            "-" if one is None else f"{one['psi']:.3f}",
            _number(one, "reference_mean"),
            _number(one, "current_mean"),
        )
    console.print(table)
    pieces = [piece["piece"] for piece in windows[0]["grams"]]
    if pieces:
        console.print(f"  letters that come more or less often: {', '.join(map(repr, pieces))}")
    if windows[0]["templates"]:
        shown = ", ".join(f"{one['piece']} ({one['now']:.0%})" for one in windows[0]["templates"])
        console.print(f"  new templates: {shown}")


def _number(found: Json | None, key: str) -> str:
    return "-" if found is None or found[key] is None else f"{found[key]:.3g}"


def _moment(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
