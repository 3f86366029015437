"""The report of `make demo-risk`: four small tables and a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

Json = dict[str, Any]
Rows = Iterable[tuple[str, ...]]


def show(console: Console, found: Json) -> None:
    """Print all that was found."""
    of = found["calibration"]
    console.print(
        f"\n[bold]{found['arm']}, at most {found['alpha'] * 100:g} % served and wrong, on {found['models']}[/]"
    )
    console.print(
        f"calibration {of['version']} ({of['kind']}, {of['labels']} labels): {of['reason']}\n", soft_wrap=True
    )
    _table(console, ("confidence", "n", "AUROC", "ECE", "threshold"), _confidence(found))
    _table(console, ("held-out tickets", "all", "whole", "streams"), _risk(found["held_out"], found["delta"]))
    _table(console, ("", "with the fallback", "version alone", "large alone"), _beside(found))
    _table(console, ("", ""), _further(found))


def show_verdict(console: Console, found: Json) -> None:
    """The one line that it is about."""
    risk, alpha = found["held_out"]["all"], f"{found['alpha'] * 100:g} %"
    bound = f"the Clopper-Pearson lower bound of the held-out risk is {_percent(risk['risk_lower'])}"
    if risk["holds"]:
        console.print(f"[bold green]holds:[/] {bound}, not above {alpha}", soft_wrap=True)
    else:
        console.print(f"[bold red]does not hold:[/] {bound}, above {alpha}", soft_wrap=True)


def _table(console: Console, heads: tuple[str, ...], rows: Rows) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=any(heads))
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at and any(heads) else "left", style=None if at else "dim")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _confidence(found: Json) -> Rows:
    of = found["calibration"]
    for part, title in (("whole", "whole answers"), ("prefix", "starts of streams")):
        quality, threshold = (of["quality"] or {}).get(part), of["thresholds"][part]
        figures = ("-", "-", "-") if quality is None else _quality(quality)
        yield title, *figures, "not judged" if threshold is None else f"{threshold:.4f}"
    yield "held out, whole", *_quality(found["held_out_quality"]), ""


def _quality(quality: Json) -> tuple[str, str, str]:
    return str(quality["n"]), _interval(quality["auroc"], 2), _interval(quality["ece"], 3)


def _risk(held: Json, delta: float) -> Rows:
    columns = [held[name] for name in ("all", "whole", "streams")]

    def row(title: str, name: str) -> tuple[str, ...]:
        return title, *("-" if one is None or one[name] is None else _number(one[name]) for one in columns)

    sure = f"{(1 - delta) * 100:.3g} % sure"
    yield row("tickets", "n")
    yield row("served by the version", "served_share")
    yield row("served and wrong", "served_and_wrong")
    yield row("risk: of all", "risk")
    yield row(f"lower bound, {sure}", "risk_lower")
    yield row(f"upper bound, {sure}", "risk_upper")
    yield row("of the served", "selective_risk")


def _beside(found: Json) -> Rows:
    right, money = found["accuracy"], found["money"]
    yield "right", *(_percent(right[who]) for who in ("cascade", "small", "large"))
    costs = (money[f"{who}_usd_per_1000"] for who in ("cascade", "small", "large"))
    yield "dollars per 1,000 requests", *(f"{cost:.4f}" for cost in costs)


def _further(found: Json) -> Rows:
    money, curve, streams, again = found["money"], found["curve"], found["streams"], found["replayed"]
    yield "saved", f"{_percent(money['saved_share'])}, ${money['saved_usd_per_1000']:.4f} per 1,000 requests"
    if curve["apgr"] is None:
        yield "curve", "the large model is not right more often: there is no gap to recover"
    else:
        shares = f"CPT(50 %) {_percent(curve['cpt50'])}, CPT(80 %) {_percent(curve['cpt80'])}"
        yield "curve", f"APGR {curve['apgr']:.3f}, {shares}"
    yield "judged again from the records", f"{again['same']} of {again['n']} decisions the same"
    yield "divided anew", _divided(found["divided"], found["alpha"])
    if streams["n"]:
        yield from _streams(streams)


def _divided(of: Json, alpha: float) -> str:
    if not of["armed"]:
        return f"not armed on any of {of['times']} other divisions of the answers"
    return (
        f"on {of['armed']} of {of['times']} other divisions armed; risk {_percent(of['risk_mean'])} on average, above "
        f"{alpha * 100:g} % on {of['above_alpha']}"
    )


def _streams(streams: Json) -> Rows:
    yield "streams judged by their start", f"{streams['judged_by_start']} of {streams['n']}"
    for title, spread in (
        ("held, before the first token goes out", streams["added_ms"]),
        ("first token, held and let go on", streams["first_token_ms"]["held_and_released"]),
        ("first token, held and replaced", streams["first_token_ms"]["held_and_replaced"]),
        ("first token, nothing held", streams["first_token_ms"]["not_held"]),
    ):
        if spread is not None:
            yield title, f"{spread['median']:.0f} ms median, {spread['p90']:.0f} ms p90 ({spread['n']} streams)"
    if streams["agreement"] is not None:
        in_vain = f"{streams['replaced_though_sure_at_the_end']} were replaced that were sure enough at their end"
        yield "start and whole answer agree", f"{_percent(streams['agreement'])}; {in_vain}"
    if streams["late_low_confidence_share"] is not None:
        late = f"{streams['late_low_confidence']}, {_percent(streams['late_low_confidence_share'])} of those let go on"
        yield "doubted at their end alone", late


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else _percent(value)


def _interval(estimate: Json, decimals: int) -> str:
    value, low, high = (f"{estimate[name]:.{decimals}f}" for name in ("value", "low", "high"))
    return f"{value} ({low}-{high})"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
