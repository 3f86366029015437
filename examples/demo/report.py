"""The report of `make demo-risk`, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = dict[str, Any]
Row = tuple[str, str]


def show(console: Console, found: Json) -> None:
    """Print all that was found, in the order in which it was found."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=False, title_justify="left", title_style="bold")
    table.title = f"{found['arm']} under risk at most {_percent(found['alpha'])}, on {found['models']}"
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for title, rows in _sections(found):
        table.add_row(Text(title, style="bold"), "", end_section=False)
        for name, value in rows:
            table.add_row(f"  {name}", Text(value))
    console.print(table)


def show_verdict(console: Console, found: Json) -> None:
    """The one line that it is about."""
    risk, alpha = found["held_out"]["all"], _percent(found["alpha"])
    bound = f"the lower bound of the risk is {_percent(risk['risk_lower'])}"
    if risk["holds"]:
        console.print(f"[bold green]holds:[/] {bound}, not above {alpha}")
    else:
        console.print(f"[bold red]does not hold:[/] {bound}, above {alpha}")


def _sections(found: Json) -> Iterable[tuple[str, Iterable[Row]]]:
    yield "calibration", _calibration(found)
    yield "held-out tickets", _held_out(found)
    yield "money", _money(found["money"])
    if found["streams"]["n"]:
        yield "streams", _streams(found["streams"])


def _calibration(found: Json) -> Iterable[Row]:
    of = found["calibration"]
    yield "version", f"{of['version']}, from {of['labels']} labels ({of['kind']})"
    for part in ("whole", "prefix"):
        quality = (of["quality"] or {}).get(part)
        if quality is not None:
            figures = f"AUROC {_interval(quality['auroc'])}, ECE {_interval(quality['ece'])}"
            yield f"{part} answers" if part == "whole" else "starts of streams", f"{figures}, {quality['n']} labels"
    yield "armed", ("yes: " if of["armed"] else "no: ") + of["reason"]
    if of["armed"]:
        prefix = of["thresholds"]["prefix"]
        starts = "not judged" if prefix is None else f"{prefix:.4f} for starts of streams"
        yield "thresholds", f"{of['thresholds']['whole']:.4f} for whole answers, {starts}"


def _held_out(found: Json) -> Iterable[Row]:
    held = found["held_out"]
    for name, title in (("all", "risk"), ("whole", "  whole answers"), ("streams", "  streams")):
        if held[name] is not None:
            yield title, _risk(held[name], found["delta"])
    right, quality, curve = found["accuracy"], found["held_out_quality"], found["curve"]
    yield "right", ", ".join(f"{_percent(right[who])} {title}" for who, title in _WHO)
    yield "confidence", f"AUROC {_interval(quality['auroc'])}, ECE {_interval(quality['ece'])}"
    yield "curve", _curve(curve)
    yield "replayed", f"{found['replayed']['same']} of {found['replayed']['n']} decisions the same from the records"


_WHO = (("cascade", "with the fallback"), ("small", "the version alone"), ("large", "the large model alone"))


def _risk(risk: Json, delta: float) -> str:
    of_served = "" if risk["selective_risk"] is None else f"; {_percent(risk['selective_risk'])} of the served wrong"
    return (
        f"{risk['served_and_wrong']} of {risk['n']} served by the version and wrong: {_percent(risk['risk'])} "
        f"({_percent(risk['risk_lower'])} to {_percent(risk['risk_upper'])}, each bound {_percent(1 - delta)} sure); "
        f"it serves {_percent(risk['served_share'])}{of_served}"
    )


def _curve(curve: Json) -> str:
    if curve["apgr"] is None:
        return "the large model is not right more often: there is no gap to recover"
    return f"APGR {curve['apgr']:.3f}, CPT(50 %) {_percent(curve['cpt50'])}, CPT(80 %) {_percent(curve['cpt80'])}"


def _money(money: Json) -> Iterable[Row]:
    yield "with the fallback", f"${money['cascade_usd_per_1000']:.4f} per 1,000 requests"
    yield "the large model alone", f"${money['large_usd_per_1000']:.4f}"
    yield "saved", f"${money['saved_usd_per_1000']:.4f}, {_percent(money['saved_share'])}"


def _streams(streams: Json) -> Iterable[Row]:
    yield "judged", f"{streams['judged_by_prefix']} of {streams['n']} by their start; {streams['released']} let go on"
    if streams["added_ms"] is not None:
        yield "added to first token", _spread(streams["added_ms"])
    for name, spread in streams["first_token_ms"].items():
        if spread is not None:
            yield f"first token, {name.replace('_', ' ')}", _spread(spread)
    if streams["agreement"] is not None:
        yield "start and whole agree", _percent(streams["agreement"])
    if streams["late_low_confidence_share"] is not None:
        late = streams["late_low_confidence"]
        yield "late low confidence", f"{_percent(streams['late_low_confidence_share'])} of those let go on ({late})"


def _spread(spread: Json) -> str:
    return f"{spread['median']:.0f} ms median, {spread['p90']:.0f} ms p90, of {spread['n']}"


def _interval(estimate: Json) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
