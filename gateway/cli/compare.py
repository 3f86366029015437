"""`fallgate compare`: the arms of a person's own file, with the statistics of experiments."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from gateway.cli.rows import BadRows, Floats, Json, Table, read_table, run_offline, warn
from routing.experiment.comparison import Comparison, Direction, Measured, Terms, compare_arms
from routing.experiment.sequence import MIN_UNITS
from routing.experiment.sums import ArmSums

Indexes = NDArray[np.intp]

_COLUMNS = ("arm", "unit", "value")


def compare(  # noqa: PLR0913, PLR0917 - a parameter is an option of the command
    rows: Annotated[Path, typer.Argument(metavar="ROWS.csv", help="arm, unit, value[, denominator][, pre].")],
    baseline: Annotated[str | None, typer.Option(help="The arm to compare with; by default the file's first.")] = None,
    goal: Annotated[Direction, typer.Option(help="Whether more is better, or less.")] = Direction.MAX,
    alpha: Annotated[float, typer.Option(help="How often a difference may be seen where there is none.")] = 0.05,
    planned: Annotated[float, typer.Option(help="Units in two arms, about which the interval is tightest.")] = 5000,
    margin: Annotated[float | None, typer.Option(help="By how much an arm may be worse and still do.")] = None,
    weights: Annotated[str | None, typer.Option(metavar="ARM=N,...", help="The split; by default equal.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare arms, from a file with one unit a row, in such a way that it may be done at any time and again.

    Columns: `arm`, `unit` and `value`; `denominator` makes the metric a ratio, sum of values over sum of denominators;
    `pre`, what a unit was like before, sharpens the comparison (CUPED). A comparison that does not allow a conclusion
    is a result, too, with exit code 0.
    """
    try:
        terms = Terms(goal=goal, alpha=alpha, planned_units=planned, margin=margin)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    due = None if weights is None else parse_weights(weights)
    found: list[Comparison] = []

    def act() -> Json:
        found.append(compare_rows(rows, baseline, terms, due))
        if found[0].sample_ratio.is_suspect:
            warn("compare", "the arms hardly got the units that were due to them (chi-square): look for the cause")
        return _to_json(found[0])

    run_offline("compare", act, lambda _: _show(found[0]), as_json=as_json)


def parse_weights(text: str) -> dict[str, float]:
    """`a=50,b=50` as shares on any scale; a usage error says what is wrong."""
    due: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if not name.strip() or not 0 <= weight < inf or name.strip() in due:
            raise typer.BadParameter(f"--weights: {part!r} is not ARM=NUMBER, each arm once and no number below 0")
        due[name.strip()] = weight
    if not sum(due.values()):
        raise typer.BadParameter("--weights: some arm must be due some units")
    return due


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """The units of a file, in the order in which they appear."""

    arms: list[str]
    arm_of: Indexes
    """Index into `arms`, (n,)."""
    values: Floats
    sizes: Floats | None
    before: Floats | None


def compare_rows(path: Path, baseline: str | None, terms: Terms, due: Mapping[str, float] | None) -> Comparison:
    """The comparison of a file.

    Raises:
        BadRows: the file cannot be used.
    """
    units = _read_units(read_table(path))
    if len(units.arms) < 2:
        raise BadRows(f"{path}: a comparison needs two arms; column arm names {', '.join(units.arms)} alone")
    if baseline is not None and baseline not in units.arms:
        raise BadRows(f"{path} has no arm {baseline}; its arms are {', '.join(units.arms)}")
    if due is not None and (missing := [arm for arm in units.arms if arm not in due]):
        raise BadRows(f"{path} has the arm {missing[0]}, of which --weights says nothing")
    sums = {arm: _sums(units, at) for at, arm in enumerate(units.arms)}
    for arm, found in sums.items():
        if not found.d:
            raise BadRows(f"{path}, column denominator: it sums to 0 in arm {arm}")
    is_binary = units.sizes is None and bool(np.isin(units.values, (0.0, 1.0)).all())
    binding = Terms(
        goal=terms.goal,
        alpha=terms.alpha,
        planned_units=terms.planned_units,
        margin=terms.margin,
        is_binary=is_binary,
    )
    return compare_arms(sums, baseline or units.arms[0], binding, due)


def _read_units(table: Table) -> _Units:
    table.require(*_COLUMNS)
    values = table.numbers("value")
    sizes = table.numbers("denominator", least=0) if "denominator" in table.columns else None
    before = table.numbers("pre") if "pre" in table.columns else None
    arms, names = table.columns["arm"], table.columns["unit"]
    whole = np.array([bool(arm and name) for arm, name in zip(arms, names, strict=True)]) & ~np.isnan(values)
    if sizes is not None:
        whole &= ~np.isnan(sizes)
    kept = np.flatnonzero(whole)
    if len(kept) < len(table):
        warn("compare", f"{len(table) - len(kept)} of {len(table)} rows lack a cell and are left out")
    if not len(kept):
        raise BadRows(f"{table.name}: every row lacks a cell")
    places: dict[tuple[str, str], int] = {}
    unit_of = np.array([places.setdefault((arms[row], names[row]), len(places)) for row in kept])
    _warn_of_odd_units(len(kept), places)
    order = list(dict.fromkeys(arm for arm, _ in places))
    return _Units(
        arms=order,
        arm_of=np.array([order.index(arm) for arm, _ in places]),
        values=_summed(values[kept], unit_of),
        sizes=None if sizes is None else _summed(sizes[kept], unit_of),
        before=None if before is None else _before(table, before, kept, unit_of),
    )


def _warn_of_odd_units(rows: int, places: Mapping[tuple[str, str], int]) -> None:
    if len(places) < rows:
        warn("compare", f"{rows} rows are of {len(places)} units: the values of a unit were added up")
    shared = len(places) - len({name for _, name in places})
    if shared:
        warn("compare", f"{shared} units are in more than one arm; each counts in every arm that it is in")


def _summed(values: Floats, unit_of: Indexes) -> Floats:
    return np.bincount(unit_of, weights=values).astype(np.float64)


def _before(table: Table, before: Floats, kept: Indexes, unit_of: Indexes) -> Floats:
    """One value a unit; a unit without one gets the mean, so that it is not adjusted."""
    found = np.full(int(unit_of.max()) + 1, np.nan)
    for row, unit in zip(kept, unit_of, strict=True):
        if np.isnan(before[row]):
            continue
        if not np.isnan(found[unit]) and found[unit] != before[row]:
            raise BadRows(
                f"{table.name}, line {table.lines[row]}, column pre: the unit has had {found[unit]:g} before; what it "
                "was like before the experiment is one number"
            )
        found[unit] = before[row]
    missing = np.isnan(found)
    if missing.any():
        warn("compare", f"{int(missing.sum())} of {len(found)} units lack a value in column pre and are not adjusted")
    return np.where(missing, 0.0 if missing.all() else np.nanmean(found[~missing]), found)


def _sums(units: _Units, at: int) -> ArmSums:
    own = units.arm_of == at
    return ArmSums.of(
        units.values[own],
        None if units.sizes is None else units.sizes[own],
        None if units.before is None else units.before[own],
    )


def _to_json(found: Comparison) -> Json:
    return {
        "arms": {name: {"units": arm.n, "mean": arm.mean} for name, arm in found.arms.items()},
        "effects": [
            {"arm": one.arm}
            | _measured(one.absolute)
            | {"relative": None if one.relative is None else _measured(one.relative)}
            for one in found.effects
        ],
        "srm_pvalue": found.sample_ratio.p_value,
        "decision": found.decision.value,
        "reason": found.reason,
    }


def _measured(found: Measured) -> Json:
    figures = {
        "effect": found.effect,
        "lower": found.lower,
        "upper": found.upper,
        "se": found.se,
        "pvalue": found.p_value,
    }
    # JSON knows no infinity: null is a bound that is not known.
    return {name: value if isfinite(value) else None for name, value in figures.items()}


def _show(found: Comparison) -> None:
    console = Console()
    arms = _table("arm", "units", "mean")
    for name, arm in found.arms.items():
        arms.add_row(Text(name), str(arm.n), f"{arm.mean:.6g}")
    console.print(arms)
    console.print()
    effects = _table(f"against {found.baseline}", "effect", "from", "to", "se", "p")
    for one in found.effects:
        effects.add_row(Text(one.arm), *_cells(one.absolute, "+.4g", ".4g"))
        if one.relative is not None:
            effects.add_row("  relative", *_cells(one.relative, "+.2%", ".2%"))
    console.print(effects)
    console.print()
    console.print(_verdict(found))


def _verdict(found: Comparison) -> RichTable:
    ratio = found.sample_ratio
    told = f"p {ratio.p_value:.4g} at any time"
    if ratio.chi_square_p_value is not None:
        told += f", {ratio.chi_square_p_value:.4g} by chi-square at one look"
    rows = {"sample ratio": told, "decision": f"{found.decision}: {found.reason}"}
    notes = []
    if exact := [one.arm for one in found.effects if one.is_exact]:
        notes.append(f"few events, so the bounds of {', '.join(exact)} are exact ones")
    if few := [one.arm for one in found.effects if not one.has_enough and not one.is_exact]:
        notes.append(f"under {MIN_UNITS} units an arm the bounds of {', '.join(few)} are a rough guide only")
    if notes:
        rows["note"] = "; ".join(notes)
    table = RichTable(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, text in rows.items():
        table.add_row(name, Text(text))
    return table


def _table(*names: str) -> RichTable:
    table = RichTable(box=None, pad_edge=False)
    for at, name in enumerate(names):
        table.add_column(Text(name), justify="right" if at else "left")
    return table


def _cells(found: Measured, signed: str, plain: str) -> list[str]:
    figures = [format(figure, signed) for figure in (found.effect, found.lower, found.upper)]
    cells = [*figures, format(found.se, plain), f"{found.p_value:.4g}"]
    return ["-" if "inf" in cell else cell for cell in cells]
