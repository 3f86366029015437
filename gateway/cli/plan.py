"""`fallgate plan`: how many units, labels and days an experiment needs."""

from math import ceil, isfinite, sqrt
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.rows import BadRows, Json, run_offline
from routing.experiment.sequence import MIN_UNITS
from routing.experiment.size import Question, Size, size_of


def plan(  # noqa: PLR0913, PLR0917 - a parameter is an option of the command
    baseline: Annotated[float, typer.Option(help="The metric now: a share from 0 to 1, or any mean with --sd.")],
    effect: Annotated[float | None, typer.Option(help="What is to be seen: arm minus baseline.")] = None,
    margin: Annotated[float | None, typer.Option(help="Or by how much the arm must not be worse.")] = None,
    sd: Annotated[float | None, typer.Option(help="Standard deviation of a unit's value, if it is no share.")] = None,
    alpha: Annotated[float, typer.Option(help="How often a difference may be seen where there is none.")] = 0.05,
    power: Annotated[float, typer.Option(help="How often it is to be seen where it is.")] = 0.8,
    share: Annotated[float, typer.Option(help="Of the traffic, for the arm.")] = 0.5,
    route: Annotated[str | None, typer.Option(help="Take traffic and audit share from this route, as of now.")] = None,
    units_per_day: Annotated[float | None, typer.Option(help="New units a day, both arms together.")] = None,
    audit_share: Annotated[float | None, typer.Option(help="Of the requests, how many get a label.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how large an experiment has to be, if it may be looked at all the time.

    With --margin it is to show that the arm is not worse by so much; --effect is then how much better it really is, by
    default 0. --route needs FALLGATE_ADMIN_KEY, and FALLGATE_ADMIN_URL where the gateway is not at
    http://127.0.0.1:8081.
    """
    question = build_question(baseline, effect, margin, sd, {"alpha": alpha, "power": power, "arm_share": share})
    for name, given, most in (("units-per-day", units_per_day, None), ("audit-share", audit_share, 1.0)):
        if given is not None and not 0 < given <= (most or given):
            raise typer.BadParameter(f"--{name} must be above 0{'' if most is None else ' and at most 1'}")

    def act() -> Json:
        traffic = {"units_per_day": units_per_day, "audit_share": audit_share}
        if route is not None:
            now = read_traffic(route)
            traffic = {name: now[name] if given is None else given for name, given in traffic.items()}
        return _to_json(size_of(question), question, **traffic)

    run_offline(
        "plan", act, lambda found: _show(found, is_assumed=route is not None and units_per_day is None), as_json=as_json
    )


def build_question(
    baseline: float, effect: float | None, margin: float | None, sd: float | None, shares: dict[str, float]
) -> Question:
    """What the options ask; a usage error says which of them is missing or out of range."""
    if effect is None and margin is None:
        raise typer.BadParameter("give --effect, what is to be seen, or --margin, what is to be ruled out")
    if margin is not None and not margin > 0:
        raise typer.BadParameter("--margin must be above 0: it says by how much the arm may be worse")
    change = effect or 0.0
    if sd is not None:
        sds = (sd, sd)
    elif 0 < baseline < 1 and 0 < baseline + change < 1:
        sds = (sqrt(baseline * (1 - baseline)), sqrt((baseline + change) * (1 - baseline - change)))
    else:
        raise typer.BadParameter(
            "--baseline and what --effect makes of it must lie between 0 and 1; for a metric that is no share give --sd"
        )
    difference = abs(change) if margin is None else margin + change
    if not all(map(isfinite, (baseline, difference, *sds))):
        raise typer.BadParameter("every figure must be finite")
    try:
        return Question(
            difference=difference,
            baseline_sd=sds[0],
            arm_sd=sds[1],
            is_one_sided=margin is not None,
            **shares,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def read_traffic(route: str) -> dict[str, float | None]:
    """A route's units of the last day and audit share, from the running gateway; `None` for what there is none of.

    Raises:
        BadRows: the gateway does not say.
    """
    from gateway.cli.client import AdminClient, AdminFailure  # which takes httpx along

    try:
        with AdminClient.from_environment() as client:
            audit = client.route(route)["audit"]
            units = client.labels(route, days=1)["units_last_day"]
    except AdminFailure as failure:
        raise BadRows(str(failure)) from None
    return {"units_per_day": units or None, "audit_share": audit["share"] or None if audit else None}


def _to_json(size: Size, question: Question, *, units_per_day: float | None, audit_share: float | None) -> Json:
    least = ceil(MIN_UNITS / min(question.arm_share, 1 - question.arm_share))
    units = max(size.units, least)
    in_arm = ceil(units * question.arm_share)
    label_units = None if audit_share is None else ceil(units / audit_share)
    return {
        "units": units,
        "units_per_arm": {"baseline": units - in_arm, "arm": in_arm},
        "half_by_units": max(size.half_by, least),
        "one_look_units": size.one_look_units,
        "labels": units,
        "label_units": label_units,
        "units_per_day": units_per_day,
        "audit_share": audit_share,
        "days": _days(units, units_per_day),
        "label_days": _days(label_units, units_per_day),
    }


def _days(units: int | None, per_day: float | None) -> float | None:
    return None if units is None or per_day is None else round(units / per_day, 2)


def _show(found: Json, *, is_assumed: bool) -> None:
    arms = found["units_per_arm"]
    rows = {
        "units": f"{found['units']:,}: {arms['baseline']:,} in the baseline, {arms['arm']:,} in the arm",
        "half end by": f"{found['half_by_units']:,} units",
        "one look": f"{found['one_look_units']:,} units, if nobody looks before the end",
        "labels": f"{found['labels']:,}, for a metric that only labelled units have",
        "traffic": _traffic(found, is_assumed=is_assumed),
        "days": _figure(found["days"], "for a metric that every unit has"),
        "label days": _figure(found["label_days"], "for one that only audited units have"),
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in rows.items():
        table.add_row(name, Text(text))
    Console().print(table)


def _traffic(found: Json, *, is_assumed: bool) -> str:
    if found["units_per_day"] is None:
        return "unknown; give --units-per-day, or --route for a route with traffic"
    audited = "" if found["audit_share"] is None else f", {found['audit_share']:.3g} of them audited"
    assumed = ", as many as sent requests in the last 24 h, if no day brings the same ones" if is_assumed else ""
    return f"{found['units_per_day']:,.6g} new units a day{audited}{assumed}"


def _figure(days: float | None, what: str) -> str:
    return "-" if days is None else f"{days:,.1f} {what}"
