"""Columns of two tables, compared: has what is in them moved?

    numeric       ten parts of the reference of equal size; where it has ten values or fewer, each by itself
    categorical   its categories; those too rare to count, and those the reference has not, are one together
    missing       the share of rows without a value, a feature of its own where there is any

An alarm takes three conditions: p < alpha after Holm's correction over all features, a PSI above 0.1, and one above the
mean + 3 sd of windows that are drawn from the reference itself, as large as the current table.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from routing.drift.coarsen import GROUPS
from routing.drift.psi import NO_DISTANCE, Distance, distance, psi
from routing.drift.spread import spread_of_rows
from routing.experiment.multiplicity import holm

LEAST_PSI: Final = 0.1
LEAST_ROWS: Final = 100
"""Of fewer nothing is said: without drift PSI is 0.1 and more by chance alone."""
LEAST_EXPECTED: Final = 5.0
"""A category of which fewer are expected is put together with other rare ones (Cochran, Biometrics 1954)."""
Floats = NDArray[np.float64]


class ColumnKind(StrEnum):
    """What a feature of a table is."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFinding:
    """How far one feature has moved."""

    name: str
    kind: ColumnKind
    distance: Distance
    natural_psi: float
    """Mean + 3 sd of what PSI is without drift."""
    is_alarm: bool = False
    note: str | None = None
    """Why nothing can be said of it."""


def compare_numbers(name: str, reference: Floats, current: Floats) -> ColumnFinding:
    """Finite numbers of two tables, without those that are missing."""
    if not len(reference) or not len(current):
        return _nothing(name, ColumnKind.NUMERIC, len(reference), len(current))
    edges = _edges(reference)
    counts = [
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1).astype(np.float64)
        for values in (reference, current)
    ]
    return _compared(name, ColumnKind.NUMERIC, counts[0], counts[1])


def _edges(reference: Floats) -> Floats:
    """Where the bins begin, but for the first."""
    values = np.unique(reference)
    if len(values) <= GROUPS:  # each value a bin, and what lies between them others
        return np.unique(np.concatenate([values, np.nextafter(values, np.inf)]))
    return np.unique(np.quantile(reference, np.arange(1, GROUPS) / GROUPS, method="inverted_cdf"))


def compare_categories(name: str, reference: Sequence[str], current: Sequence[str]) -> ColumnFinding:
    """Categories of two tables, without those that are missing."""
    if not reference or not current:
        return _nothing(name, ColumnKind.CATEGORICAL, len(reference), len(current))
    base, now = Counter(reference), Counter(current)
    smaller = min(len(reference), len(current))
    kept = [category for category, count in base.items() if count / len(reference) * smaller >= LEAST_EXPECTED]
    counts = []
    for found, total in ((base, len(reference)), (now, len(current))):
        counted = [found[category] for category in kept]
        counts.append(np.array([*counted, total - sum(counted)], dtype=np.float64))
    return _compared(name, ColumnKind.CATEGORICAL, counts[0], counts[1])


def compare_missing(name: str, reference: tuple[int, int], current: tuple[int, int]) -> ColumnFinding:
    """How many rows lack a value, of how many."""
    counts = [np.array([total - missing, missing], dtype=np.float64) for missing, total in (reference, current)]
    return _compared(name, ColumnKind.MISSING, counts[0], counts[1])


def with_alarms(findings: Sequence[ColumnFinding], alpha: float) -> list[ColumnFinding]:
    """Which of all features of a table have moved. `alpha`: how often chance alone may say so of any, in (0, 1)."""
    adjusted = holm([found.distance.pvalue for found in findings])
    return [
        replace(
            found,
            is_alarm=found.note is None and pvalue < alpha and found.distance.psi > max(LEAST_PSI, found.natural_psi),
        )
        for found, pvalue in zip(findings, adjusted, strict=True)
    ]


def _nothing(name: str, kind: ColumnKind, n_reference: int, n_current: int) -> ColumnFinding:
    where = "the reference" if not n_reference else "the current file"
    note = f"{where} has no value of it" if n_reference or n_current else "neither file has a value of it"
    return ColumnFinding(name=name, kind=kind, distance=NO_DISTANCE, natural_psi=0.0, note=note)


def _compared(name: str, kind: ColumnKind, reference: Floats, current: Floats) -> ColumnFinding:
    note = None
    n_reference, n_current = int(reference.sum()), int(current.sum())
    if min(n_reference, n_current) < LEAST_ROWS:
        note = f"it has {n_reference} values in the reference and {n_current} now; {LEAST_ROWS} are needed"
    elif np.count_nonzero(reference + current) < 2:
        note = "all its values are too rare to be compared one by one"
    spread = spread_of_rows(reference, n_current, psi)
    return ColumnFinding(
        name=name, kind=kind, distance=distance(reference, current), natural_psi=spread.limit, note=note
    )
