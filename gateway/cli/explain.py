"""`fallgate explain`: which arm a unit gets, or why a request was answered as it was.

Both are computed here, by the very functions that the workers use.
"""

from typing import Annotated

import typer

from gateway.cli.client import AdminClient, Json, run
from gateway.cli.explain_request import explain_request, show_request
from gateway.cli.traffic import percent
from routing.assignment.assign import assign
from routing.assignment.ranges import Range
from routing.assignment.units import MAX_UNIT_CHARS


def explain(
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="The route.")],
    unit: Annotated[
        str | None, typer.Option(help="The user, conversation or key that the split keeps together.")
    ] = None,
    request: Annotated[
        str | None, typer.Option(metavar="ID", help="A request that was answered, by its id or its answer's.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="The tenant of the key that the unit comes with.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which arm a unit gets now and through which bucket, or who answered a request, why, and how it was judged.

    Needs FALLGATE_ADMIN_KEY, and FALLGATE_ADMIN_URL where the gateway is not at http://127.0.0.1:8081.
    """
    if bool(unit) == bool(request):
        raise typer.BadParameter("name either a unit with --unit or a request with --request")
    if request:
        run("explain", lambda client: explain_request(client, route, request), show_request, as_json=as_json)
        return
    assert unit is not None
    run("explain", lambda client: explain_unit(client, route, unit, tenant), _show, as_json=as_json)


def explain_unit(client: AdminClient, route: str, unit: str, tenant: str) -> Json:
    """The assignment of a unit, and what surrounds it."""
    seen = client.route(route)
    ranges = tuple(Range(**held) for held in seen["ranges"])
    assignment = assign(seen["salt"], tenant, unit[:MAX_UNIT_CHARS], ranges)
    return {
        "ok": True,
        "route": route,
        "unit": unit,
        "tenant": tenant,
        "bucket": assignment.bucket,
        "arm": assignment.arm,
        "propensity": assignment.propensity,
        "revision": seen["revision"],
        "ranges_revision": seen["ranges_revision"],
        "salt": seen["salt"],
        "ranges": seen["ranges"],
        "unit_sources": seen["unit"],
        "fallback": seen["fallback"],
        "warnings": [*_targeted(seen["targets"]), *seen["warnings"]],
    }


def _targeted(targets: list[Json]) -> list[str]:
    arms = dict.fromkeys(target["arm"] for target in targets)
    return [f"requests that fit a target of this route get {' or '.join(arms)}, whatever their bucket"] if arms else []


def fallback_sentence(fallback: Json | None) -> str:
    """What happens when the arm's answer will not do."""
    if fallback is None:
        return "none: what the arm answers, or its failure, is what the client gets"
    if not fallback["enabled"]:
        return f"{fallback['to']}, switched off"
    confidence = fallback["confidence"]
    judged = f"confidence {confidence['mode']}"
    if "min" in confidence:
        judged += f", {confidence['score']} of at least {confidence['min']:g}"
    terms = [f"{name} {confidence[name]:g}" for name in ("share", "alpha", "delta", "value_usd") if name in confidence]
    judged += "".join(f", {term}" for term in terms)
    return f"{fallback['to']}, on {', '.join(fallback['when'])} or unavailable ({judged})"


def _show(found: Json) -> None:
    from rich.console import Console
    from rich.table import Table

    held = [f"{own['start']}-{own['stop'] - 1}" for own in found["ranges"] if own["arm"] == found["arm"]]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    rows = {
        "unit": f"{found['unit']} (tenant {found['tenant']})",
        "bucket": f"{found['bucket']} of 10000",
        "arm": f"{found['arm']}, which has the buckets {', '.join(held)}",
        "propensity": percent(found["propensity"] * 100),
        "revision": f"{found['revision']} (these ranges since {found['ranges_revision']}, salt {found['salt']})",
        "unit is": f"the first present of {', '.join(found['unit_sources'])}",
        "fallback": fallback_sentence(found["fallback"]),
    }
    from rich.text import Text

    for name, value in rows.items():
        table.add_row(name, Text(value))
    console = Console()
    console.print(table)
    for warning in found["warnings"]:
        console.print(f"note: {warning}", markup=False, soft_wrap=True)
