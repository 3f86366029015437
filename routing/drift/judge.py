"""Is a window like its reference, feature by feature: three conditions that must all hold before it is called drift.

    p < alpha           chance alone would seldom do it, after Holm's correction over all features
    PSI > 0.1           it is large enough to matter
    PSI > mean + 3 sd   the reference's own parts, of the window's size, do not differ so much among themselves

Of pieces (groups of letters, words), of which a request has many, counts do not come one by one: their p-value is that
of the third condition's z, by the normal distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from routing.drift.coarsen import grouped, groups_of
from routing.drift.features import FEATURES, Family, Feature, Kind, Side
from routing.drift.psi import Distance, distance, psi
from routing.drift.reference import UNKNOWN_ANYWAY, Reference, counts_of
from routing.drift.spread import Spread, spread_of_chunks
from routing.drift.summary import Summary, mean_of

LEAST_PSI: Final = 0.1
LEAST_ROWS: Final = 100
"""A window with fewer values of a feature says nothing about it."""
_MANY_A_REQUEST: Final = frozenset({"grams", "unknown_words"})
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a window is like in one feature."""

    name: str
    family: Family
    side: Side
    n: int
    """Requests of the window with a value."""
    psi: float
    js: float
    statistic: float
    pvalue: float
    natural_psi: float | None
    """Mean + 3 sd of the reference's own parts; `None` where it has too few."""
    is_alarm: bool
    reference_mean: float | None
    """Of numbers; of shares and words the share."""
    current_mean: float | None
    note: str | None = None
    """Why there is nothing to say, or what is special."""


def judge(reference: Reference, window: Summary, *, alpha: float) -> list[Finding]:
    """Compare a window with a reference of one side. What moved most comes first; templates, which move with whatever
    else does, come first where nothing else has moved.

    Args:
        reference: what the version's requests were like.
        window: what they are like now.
        alpha: how often chance may call any feature of this window drift, in (0, 1).
    """
    findings = [_compare(feature, reference, window) for feature in FEATURES if feature.side is reference.side]
    return sorted(_with_alarms(findings, alpha), key=_rank)


def _rank(found: Finding) -> tuple[bool, bool, float, str]:
    return not found.is_alarm, found.family is Family.TEMPLATE, -found.psi, found.name


def _compare(feature: Feature, reference: Reference, window: Summary) -> Finding:
    base, now = reference.counts_of(feature), counts_of(feature, window, reference)
    n = window.inputs if feature.kind is Kind.PIECES else int(now.sum())
    note = _reason_to_skip(base, now, n)
    if note is not None:
        return _finding(feature, n, Distance(psi=0.0, js=0.0, statistic=0.0, pvalue=1.0), None, note=note)
    chunks = reference.chunk_counts(feature)
    if feature.kind is Kind.NUMBER:
        groups = groups_of(base)
        base, now, chunks = grouped(base, groups), grouped(now, groups), grouped(chunks, groups)
    found = distance(base, now)
    spread = spread_of_chunks(chunks, float(now.sum()), psi)
    if feature.name in _MANY_A_REQUEST:
        found = _of_pieces(found, spread)
    means = _means(feature, reference, window, base, now)
    return _finding(feature, n, found, spread, means=means)


def _reason_to_skip(base: Floats, now: Floats, n: int) -> str | None:
    if base.sum() == 0:
        return "the reference has no value of it"
    if n < LEAST_ROWS or now.sum() == 0:
        return f"the window has {n} values of it, fewer than {LEAST_ROWS}"
    if np.count_nonzero(base + now) < 2:
        return "it has one value only, in the reference and now"
    return None


def _of_pieces(found: Distance, spread: Spread | None) -> Distance:
    pvalue = 1.0 if spread is None else float(ndtr(-spread.z(found.psi)))
    return Distance(psi=found.psi, js=found.js, statistic=found.statistic, pvalue=pvalue)


def _finding(
    feature: Feature,
    n: int,
    found: Distance,
    spread: Spread | None,
    *,
    means: tuple[float | None, float | None] = (None, None),
    note: str | None = None,
) -> Finding:
    return Finding(
        name=feature.name,
        family=feature.family,
        side=feature.side,
        n=n,
        psi=found.psi,
        js=found.js,
        statistic=found.statistic,
        pvalue=found.pvalue,
        natural_psi=None if spread is None else spread.limit,
        is_alarm=False,
        reference_mean=means[0],
        current_mean=means[1],
        note=note,
    )


def _means(
    feature: Feature, reference: Reference, window: Summary, base: Floats, now: Floats
) -> tuple[float | None, float | None]:
    if feature.kind is Kind.NUMBER:
        return mean_of(reference.total, feature.name), mean_of(window, feature.name)
    if feature.categories == ("no", "yes"):
        return _share(base), _share(now)
    if feature.name in {"unknown_words", "new_word"}:  # without what counts beforehand
        return _bare_share(base), _bare_share(now)
    return None, None


def _share(counts: Floats) -> float:
    return float(counts[1] / counts.sum())


def _bare_share(counts: Floats) -> float:
    return max(0.0, (1 + UNKNOWN_ANYWAY) * _share(counts) - UNKNOWN_ANYWAY)


def _with_alarms(findings: Sequence[Finding], alpha: float) -> list[Finding]:
    """Holm's step-down procedure over the features that could be compared, with the two other conditions."""
    by_pvalue = sorted((found for found in findings if found.note is None), key=lambda found: found.pvalue)
    rejected: set[str] = set()
    for at, found in enumerate(by_pvalue):
        if found.pvalue >= alpha / (len(by_pvalue) - at):
            break
        rejected.add(found.name)
    return [_alarmed(found) if found.name in rejected and _is_large(found) else found for found in findings]


def _is_large(found: Finding) -> bool:
    return found.psi > LEAST_PSI and (found.natural_psi is None or found.psi > found.natural_psi)


def _alarmed(found: Finding) -> Finding:
    return replace(found, is_alarm=True)
