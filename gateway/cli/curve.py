"""`fallgate curve`: what is gained, at what price, as more of the least sure answers go to the larger model."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.rows import BadRows, Json, read_table, run_offline, warn
from routing.confidence.fit.curve import Curve, draw_curve
from routing.confidence.fit.logistic import OneClassOnly

_COLUMNS = ("score", "correct", "fallback_correct")
_COSTS = ("cost", "fallback_cost")


def curve(
    rows: Annotated[Path, typer.Argument(metavar="ROWS.csv", help="score, correct, fallback_correct[, cost, ...].")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw the trade between cost and quality, from a file with one answer a row.

    Columns: `score` (higher is surer), `correct` and `fallback_correct` (0 or 1), and, together or not at all, `cost`
    and `fallback_cost`, what the two answers cost in any one unit.
    """
    run_offline("curve", lambda: curve_of(rows), _show, as_json=as_json)


def curve_of(path: Path) -> Json:
    """The figures of a file.

    Raises:
        BadRows: the file cannot be used.
    """
    table = read_table(path)
    table.require(*_COLUMNS)
    priced = [name for name in _COSTS if name in table.columns]
    if len(priced) == 1:
        table.require(*_COSTS)
    columns = [table.numbers("score"), table.outcomes("correct"), table.outcomes("fallback_correct")]
    columns += [table.numbers(name, least=0) for name in priced]
    whole = ~np.isnan(columns).any(axis=0)
    if not whole.all():
        warn("curve", f"{int((~whole).sum())} of {len(table)} rows lack a value and are left out")
    if not whole.any():
        raise BadRows(f"{path}: every row lacks a value")
    try:
        return _to_json(draw_curve(*(column[whole] for column in columns)))
    except OneClassOnly as error:
        raise BadRows(f"{path}, column correct: {error}") from None


def _to_json(found: Curve) -> Json:
    result = {name: value for name, value in asdict(found).items() if name not in ("points", "prices")}
    if found.prices is not None:
        result["cost"] = asdict(found.prices)
    result["points"] = [
        {"share": point.share, "accuracy": point.accuracy} | ({} if point.cost is None else {"cost": point.cost})
        for point in found.points
    ]
    return result


def _show(found: Json) -> None:
    figures = Table(box=None, pad_edge=False, show_header=False)
    figures.add_column(style="dim")
    figures.add_column(justify="right")
    for name in ("n", "weak", "strong", "auroc", "prr", "apgr", "cpt50", "cpt80"):
        value = found[name]
        figures.add_row(name, "-" if value is None else str(value) if name == "n" else f"{value:.4f}")
    console = Console()
    console.print(figures)
    if found["apgr"] is None:
        console.print("the larger model is not right more often than the small one: there is no gap to recover")
    _show_points(console, found)
    if "cost" in found:
        cost = found["cost"]
        console.print(
            f"a request costs {cost['small']:.6g} with the small model and {cost['large']:.6g} with the larger one; "
            f"the small one is always paid, so the cascade is cheaper while less than "
            f"{cost['break_even_share']:.1%} falls back",
            soft_wrap=True,
        )


def _show_points(console: Console, found: Json) -> None:
    points = found["points"]
    priced = "cost" in found
    table = Table(box=None, pad_edge=False)
    for name in ("falls back", "accuracy", *(("cost",) if priced else ())):
        table.add_column(name, justify="right")
    for at in np.unique(np.round(np.linspace(0, len(points) - 1, 11)).astype(int)):
        point = points[at]
        cost = (f"{point['cost']:.6g}",) if priced else ()
        table.add_row(f"{point['share']:.1%}", f"{point['accuracy']:.4f}", *cost)
    console.print(table)
