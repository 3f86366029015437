"""`fallgate experiment`: start, pause, resume or abort the experiment of a route, and see how far it is."""

import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.client import AdminClient, Json, run
from gateway.cli.experiment_list import show_all
from gateway.cli.experiment_report import write_report
from gateway.cli.traffic import behind, percent

if TYPE_CHECKING:
    from rich.console import Console


class Action(StrEnum):
    """What operators may do with an experiment."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


def experiment(
    route: Annotated[str | None, typer.Argument(metavar="[ROUTE]", help="The route. Absent: list all.")] = None,
    action: Annotated[
        Action | None, typer.Argument(metavar="[start|pause|resume|abort]", help="What to do. Absent: show it.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page about it, in Markdown.", dir_okay=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the experiment of a route: its contract, how far it is, what was seen last and what follows from it.

    Without a route: all that were started, with their verdicts, and which differences hold among so many.
    With an action: do it, and wait until every worker has it in force. `start` divides all units anew and begins with
    the first step; `abort` returns to the split before. --report writes a page that can be handed to others. Needs
    FALLGATE_ADMIN_KEY, and FALLGATE_ADMIN_URL where the gateway is not at http://127.0.0.1:8081. Exit 1 when it was
    refused, or is not in force on every worker.
    """

    if route is None:
        if report is not None:
            raise typer.BadParameter("a report is of one experiment: name its route")
        run("experiment", lambda client: {"ok": True, **client.get("/experiments")}, show_all, as_json=as_json)
        return

    def act(client: AdminClient) -> Json:
        found = _act(client, route, action, reason)
        if report is not None:
            write_report(client, found, report)
        return found

    run("experiment", act, _show, as_json=as_json)


def _act(client: AdminClient, route: str, action: Action | None, reason: str | None) -> Json:
    if action is None:
        return {"ok": True, **client.experiment(route)}
    since_s = time.monotonic()
    body: Json = {} if reason is None else {"reason": reason}
    after = client.change("POST", route, f"/experiment/{action}", client.route(route)["etag"], body)
    in_force = client.wait_in_force(after["revision"], since_s)
    found: Json = {
        "ok": not in_force.behind,
        **after,
        "workers": in_force.workers,
        "in_force_after_ms": in_force.after_ms,
    }
    if in_force.behind:
        found["error"] = {"message": behind(after["revision"], in_force), "code": "not_in_force"}
    return found


def _show(found: Json) -> None:
    from rich.console import Console

    console = Console()
    contract = found["contract"]

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    say(f"{found['name']}: {found['state'].replace('_', ' ')} ({found['reason']})")
    say(
        f"{contract['candidate']} against {contract['baseline']} on {_goal(contract['primary'])}; "
        f"mode {contract['mode']}"
    )
    for guardrail in contract["guardrails"]:
        say(f"  {guardrail['metric']} may be worse by {guardrail['margin']:g}")
    say(f"step {found['step'] + 1} of {len(contract['steps'])}: {percent(found['percent'])}" + _since(found))
    say(f"ends without a verdict on {_time(contract['stop_us'])}")
    _show_result(console, found)
    if "in_force_after_ms" in found and found["workers"]:
        say(f"in force after {found['in_force_after_ms']} ms on {found['workers']} workers")


def _show_result(console: "Console", found: Json) -> None:
    from rich.table import Table

    result, move = found["result"], found["move"]
    if result is None:
        return
    table = Table(box=None, pad_edge=False)
    for word in ("metric", "effect", "from", "to"):
        table.add_column(word, justify="left" if word == "metric" else "right")
    for metric, effect in (result.get("effects") or {}).items():
        table.add_row(metric, *(_number(effect.get(word)) for word in ("effect", "lower", "upper")))
    console.print(table)
    console.print(f"looked at on {_time(result['at_us'])}", markup=False, soft_wrap=True)
    console.print(f"{found['decision']['ruling']}: {found['decision']['reason']}", markup=False, soft_wrap=True)
    if move is not None:
        verb = "does" if move["is_acted_on"] or move["kind"] == "stay" else "would do"
        console.print(f"{verb}: {move['kind'].replace('_', ' ')}: {move['reason']}", markup=False, soft_wrap=True)


def _goal(primary: Json) -> str:
    if primary["margin"] is None:
        return str(primary["metric"])
    return f"{primary['metric']}, where {primary['margin']:g} worse is good enough"


def _since(found: Json) -> str:
    return f" since {_time(found['step_since_us'])}" if found["step_since_us"] is not None else ""


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.4g}"
