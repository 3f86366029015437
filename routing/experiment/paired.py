"""Two models that answered the same requests: the mean difference, with an interval that holds at all times at once.

A request's difference needs no other request to be compared with, so what differs between requests drops out, and far
fewer are needed than between two arms. Units are what is independent: a user's requests are taken together, each
request weighed by one over its chance to be among them, and the mean is a ratio over units (Hajek 1971; the variance by
the delta method, see `ArmSums`). The interval is the asymptotic confidence sequence of `sequence`.
"""

from dataclasses import dataclass
from math import isfinite

from routing.experiment.sequence import ALPHA, MIN_UNITS, PLANNED_UNITS, TwoSided
from routing.experiment.sums import ArmSums


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedMean:
    """A mean over requests that both answered."""

    mean: float | None
    """`None` without any."""
    lower: float | None
    upper: float | None
    """`None` with fewer than 100 units, or where all are alike: nothing is known of how much they differ."""
    units: int


def paired_mean(sums: ArmSums, *, alpha: float = ALPHA, planned_units: float = PLANNED_UNITS) -> PairedMean:
    """The mean of sum y / sum d, where y is the weighed sum of a unit's differences and d that of its weights.

    >>> found = paired_mean(ArmSums.of([1.0, 3.0] * 200))
    >>> found.mean, round(found.lower, 3), round(found.upper, 3)
    (2.0, 1.795, 2.205)
    """
    if not sums.n or not sums.d:
        return PairedMean(mean=None, lower=None, upper=None, units=0)
    width = float(TwoSided(alpha, planned_units).half_width(sums.variance(), sums.n))
    if sums.n < MIN_UNITS or not isfinite(width):
        return PairedMean(mean=sums.mean, lower=None, upper=None, units=sums.n)
    return PairedMean(mean=sums.mean, lower=sums.mean - width, upper=sums.mean + width, units=sums.n)
