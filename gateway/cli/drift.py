"""`fallgate drift`: two files of a person's own, a reference and what is now, and which columns have moved."""

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from gateway.cli.rows import MISSING_ELSEWHERE, BadRows, Json, Table, read_table, run_offline, warn
from routing.drift.columns import (
    LEAST_ROWS,
    ColumnFinding,
    compare_categories,
    compare_missing,
    compare_numbers,
    with_alarms,
)

MISSING_SUFFIX: Final = " (missing)"


def drift(
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE.csv", help="What it was like.")],
    current: Annotated[Path, typer.Argument(metavar="CURRENT.csv", help="What it is like now; 100 rows or more.")],
    alpha: Annotated[float, typer.Option(help="How often chance alone may raise any alarm.")] = 0.001,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare the columns of two files, numbers and categories alike, and say which of them have moved.

    The share of rows without a value is a feature of its own. A column has moved when its p-value, corrected for the
    number of features, is below alpha, its PSI is above 0.1, and above what windows of this size drawn from the
    reference come to. That columns have moved is a result, with exit code 0.
    """
    if not 0 < alpha < 1:
        raise typer.BadParameter("--alpha must be between 0 and 1")
    tables: list[Table] = []
    found: list[ColumnFinding] = []

    def act() -> Json:
        tables.extend((_read(reference), _read(current)))
        before, now = tables
        found.extend(sorted(compare_tables(before, now, alpha), key=lambda one: (-one.distance.psi, one.name)))
        return _to_json(found, *tables)

    run_offline("drift", act, lambda _: _show(found, *tables), as_json=as_json)


def _read(path: Path) -> Table:
    table = read_table(path)
    if len(table) < LEAST_ROWS:
        raise BadRows(f"{path} has {len(table)} rows; {LEAST_ROWS} or more are needed, fewer look moved by chance")
    return table


def compare_tables(reference: Table, current: Table, alpha: float) -> list[ColumnFinding]:
    """Every column that both tables have, in the order of the reference.

    Raises:
        BadRows: there is no such column that varies, or a cell of a column of numbers is none.
    """
    for one, other in ((reference, current), (current, reference)):
        if lacking := [name for name in one.columns if name not in other.columns]:
            warn("drift", f"{other.name} has no column {', '.join(lacking)}, which {one.name} has; left out")
    shared = [name for name in reference.columns if name in current.columns]
    if not shared:
        raise BadRows(f"{reference.name} and {current.name} have no column in common")
    found = [one for name in shared for one in _compare_column(name, reference, current)]
    if not found:
        raise BadRows("there is no column that both files have and that is not constant")
    for column in found:
        if column.note is not None:
            warn("drift", f"column {column.name} is not judged: {column.note}")
    return with_alarms(found, alpha)


def _compare_column(name: str, reference: Table, current: Table) -> list[ColumnFinding]:
    cells = reference.columns[name], current.columns[name]
    filled = [[cell for cell in column if cell] for column in cells]
    lacking = [len(column) - len(own) for column, own in zip(cells, filled, strict=True)]
    found: list[ColumnFinding] = []
    if any(lacking):
        counts = [(missing, len(column)) for missing, column in zip(lacking, cells, strict=True)]
        found.append(compare_missing(name + MISSING_SUFFIX, counts[0], counts[1]))
    if _looks_numeric(filled[0] or filled[1]):
        numbers = [table.numbers(name) for table in (reference, current)]
        base, now = (values[~np.isnan(values)] for values in numbers)
        is_constant = len(np.unique(np.concatenate([base, now]))) < 2
        compared = None if is_constant else compare_numbers(name, base, now)
    else:
        is_constant = len({*filled[0], *filled[1]}) < 2
        compared = None if is_constant else compare_categories(name, filled[0], filled[1])
    if compared is None:
        warn("drift", f"column {name} is constant and dropped")
        return found
    return [compared, *found]


def _looks_numeric(cells: list[str]) -> bool:
    """Whether a column is one of numbers, apart from what other programs write for a missing one.

    A cell among them that is no number is told as such.
    """
    kept = [cell for cell in cells if cell.lower() not in MISSING_ELSEWHERE]
    return bool(kept) and all(map(_is_number, kept))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _to_json(found: list[ColumnFinding], reference: Table, current: Table) -> Json:
    return {
        "features": [
            {
                "name": one.name,
                "kind": one.kind.value,
                "psi": one.distance.psi,
                "js": one.distance.js,
                "statistic": one.distance.statistic,
                "pvalue": one.distance.pvalue,
                "alarm": one.is_alarm,
            }
            for one in found
        ],
        "alarm": any(one.is_alarm for one in found),
        "n_reference": len(reference),
        "n_current": len(current),
    }


def _show(found: list[ColumnFinding], reference: Table, current: Table) -> None:
    console = Console()
    table = RichTable(box=None, pad_edge=False)
    for at, title in enumerate(("column", "kind", "PSI", "by chance", "JS", "p", "")):
        table.add_column(title, justify="right" if 2 <= at <= 5 else "left")
    for one in found:
        far = one.distance
        figures = [f"{far.psi:.4f}", f"{one.natural_psi:.4f}", f"{far.js:.4f}", f"{far.pvalue:.4g}"]
        verdict = "moved" if one.is_alarm else "" if one.note is None else "not judged"
        table.add_row(Text(one.name), one.kind.value, *figures, verdict)
    console.print(table)
    console.print()
    moved = [one.name for one in found if one.is_alarm]
    told = f"moved: {', '.join(moved)}" if moved else "nothing has moved more than chance moves it"
    console.print(Text(f"{len(current):,} rows against {len(reference):,}: {told}"))
