"""How much the units of arms say against means of theirs, and where two arms that go together speak least against.

`log_m`, summed over both arms, has one valley, apart from the ends of where a mean may be. Its bottom is where its
slope is 0, which Newton's steps find, and halving where one would go too far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, psi

from routing.experiment.sums import ArmSums, Floats

Rows = NDArray[np.intp]

EDGE = 1e-12
"""The least mean that is looked at, and the distance of the greatest from 1."""
_ROUNDS = 80
_NEAR = 1e-7
"""Of the distance to the nearer end: what is left then is about the square of that."""
_OFF = 0.01


@dataclass(frozen=True, slots=True)
class Mixture:
    """ln M of `routing.experiment.bounded`, of several arms, one a column."""

    n: Floats
    """Units, (arms,)."""
    s: Floats
    """The sum of their values."""
    k: float
    """How narrow the mixture is."""

    @classmethod
    def of(cls, arms: Sequence[ArmSums], k: float) -> "Mixture":
        """Those of some arms, whose values have to lie between 0 and 1."""
        if not all(0 <= arm.y <= arm.n and 0 <= arm.yy <= arm.y for arm in arms):
            raise ValueError("every value must be from 0 to 1")
        return cls(np.array([float(arm.n) for arm in arms]), np.array([arm.y for arm in arms]), k)

    def log_m(self, means: Floats) -> Floats:
        """What speaks against means, (..., arms)."""
        p, k, s, rest = inside(means), self.k, self.s, self.n - self.s
        mixed = betaln(k * p + s, k * (1 - p) + rest) - betaln(k * p, k * (1 - p))
        return np.asarray(mixed - s * np.log(p) - rest * np.log1p(-p))

    def slopes(self, means: Floats) -> tuple[Floats, Floats]:
        """Its first derivative there, and about its second."""
        p, k, s, rest = inside(means), self.k, self.s, self.n - self.s
        q = 1 - p
        first = k * (psi(k * p + s) - psi(k * p) - psi(k * q + rest) + psi(k * q)) - s / p + rest / q
        curve = _trigamma(k * p + s) - _trigamma(k * p) + _trigamma(k * q + rest) - _trigamma(k * q)
        return first, k**2 * curve + s / p**2 + rest / q**2


@dataclass(frozen=True, slots=True)
class Ties:
    """How the mean of an arm goes with that of its baseline, in (m,) ways: from one line to the next."""

    offset: Floats
    factor: Floats

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """From where to where the baseline's mean may lie so that both are from 0 to 1, each (m, 1)."""
        low, high = -self.offset / self.factor, (1 - self.offset) / self.factor
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
        return low[:, None], np.maximum(low, high)[:, None]

    def at(self, rows: Rows) -> "Ties":
        """Some of them."""
        return Ties(self.offset[rows], self.factor[rows])

    def follow(self, means: Floats) -> Floats:
        """The arm's mean, (m, steps), where the baseline's is that."""
        return self.offset[:, None] + self.factor[:, None] * means


def least(baseline: Mixture, arm: Mixture, ties: Ties) -> Floats:
    """ln M of both arms at the means that speak least against each of the ties, step by step: (m, steps)."""

    def log_m(means: Floats) -> Floats:
        return baseline.log_m(means) + arm.log_m(ties.follow(means))

    def slopes(means: Floats, rows: Rows) -> tuple[Floats, Floats]:
        some = ties.at(rows)
        factor = some.factor[:, None]
        (first, curve), (arm_first, arm_curve) = baseline.slopes(means), arm.slopes(some.follow(means))
        return first + factor * arm_first, curve + factor**2 * arm_curve

    low, high = (ends + np.zeros_like(baseline.n) for ends in ties.ends)
    # As if both were one; near an end it would take many steps to get away from there.
    pooled = baseline.s + arm.s - arm.n * ties.offset[:, None]
    start = pooled / np.maximum(1.0, baseline.n + arm.n * ties.factor[:, None])
    margin = _OFF * (high - low)
    bottom = _bottom(slopes, low, high, np.clip(start, low + margin, high - margin))
    return np.minimum(log_m(bottom), np.minimum(log_m(low), log_m(high)))


def _bottom(slopes: Callable[[Floats, Rows], tuple[Floats, Floats]], first: Floats, last: Floats, at: Floats) -> Floats:
    """Where from `first` to `last` functions with one valley each are lowest, starting from `at`; all (m, steps).

    Args:
        slopes: the first derivative and about the second in some of the m rows.
    """
    rows = np.arange(len(at))
    falls, rises = slopes(first, rows)[0] < 0, slopes(last, rows)[0] > 0
    at = np.where(falls, np.where(rises, at, last), first)
    is_found, low, high = ~(falls & rises), first.copy(), last.copy()
    for _ in range(_ROUNDS):
        rows = np.flatnonzero(~is_found.all(axis=1))
        if not len(rows):
            break
        here = at[rows]
        slope, curve = slopes(here, rows)
        low[rows], high[rows] = np.where(slope < 0, here, low[rows]), np.where(slope > 0, here, high[rows])
        with np.errstate(divide="ignore", invalid="ignore"):
            step = here - slope / curve
        is_safe = (step > low[rows]) & (step < high[rows]) & (curve > 0)
        after = np.where(is_safe, step, (low[rows] + high[rows]) / 2)
        after = np.where(is_found[rows] | (slope == 0), here, after)
        reach = np.minimum(after - first[rows], last[rows] - after)
        is_found[rows] |= np.abs(after - here) <= np.maximum(EDGE, _NEAR * reach)
        at[rows] = after
    return at


def _trigamma(x: Floats) -> Floats:
    """The derivative of psi to about a percent, which does for the length of a step."""
    inverse = 1 / (x + 1)
    return 1 / x**2 + inverse * (1 + inverse * (1 / 2 + inverse / 6))


def inside(means: ArrayLike) -> Floats:
    """Neither 0 nor 1, where logarithms end."""
    return np.clip(np.asarray(means, dtype=np.float64), EDGE, 1 - EDGE)
