"""Intervals and p-values for a difference that hold at all times at once, however often one looks and stops.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (Annals of Statistics 52(6), 2024).
With d the difference, V its variance, N units, and r = N* / (-2 ln a + ln(1 - 2 ln a)) so that it is tightest about N*:

    two-sided   ln E = d^2 / V * N / (N + r) / 2 - ln((N + r) / r) / 2
    one-sided   E = 2 (exp(d^2 / V * N / (N + r) / 2) - 1) / sqrt((N + r) / r) where d > 0; r from 2 a

An E of at least 1/a happens with a probability of at most a if there is no difference, at whatever time. So 1 / E is a
p-value that stays valid under optional stopping (that of the mSPRT; Johari et al. 2017), and the d0 for which the E of
d - d0 is below 1/a are the interval. It is an approximation for large samples: from about 100 units an arm on.
"""

from dataclasses import dataclass
from math import inf, log

import numpy as np
from numpy.typing import ArrayLike

from routing.experiment.sums import Floats

ALPHA = 0.05
PLANNED_UNITS = 5000.0
"""In the two arms together."""
MIN_UNITS = 100
"""An arm, before anything is concluded."""


@dataclass(frozen=True, slots=True)
class _Sequence:
    alpha: float = ALPHA
    """How often it may be wrong, ever; in (0, 0.5)."""
    planned_units: float = PLANNED_UNITS
    """In both arms; where it is tightest. Any number is valid."""

    def __post_init__(self) -> None:
        check_settings(self.alpha, self.planned_units)


@dataclass(frozen=True, slots=True)
class TwoSided(_Sequence):
    """For differences in either direction."""

    def half_width(self, variance: ArrayLike, units: ArrayLike) -> Floats:
        """How far the interval reaches to either side; elementwise, infinite where the variance is 0 or unknown.

        >>> sequence = TwoSided(alpha=0.05, planned_units=100)
        >>> round(float(100 * sequence.half_width(1 / 100, 100)), 5)
        30.35209
        """
        growth = _growth(units, self.planned_units, self.alpha)
        return _width(variance, growth, np.log(growth) / 2 - log(self.alpha))

    def log_e(self, effect: ArrayLike, variance: ArrayLike, units: ArrayLike) -> Floats:
        """The logarithm of the evidence against no difference; elementwise, 0 where the variance is 0 or unknown."""
        growth = _growth(units, self.planned_units, self.alpha)
        exponent = _exponent(effect, variance, growth)
        return np.where(np.isnan(exponent), 0.0, exponent - np.log(growth) / 2)

    def p_value(self, effect: ArrayLike, variance: ArrayLike, units: ArrayLike) -> Floats:
        """At one look, in (0, 1]; over several looks the least so far counts."""
        return np.asarray(np.exp(-np.maximum(0.0, self.log_e(effect, variance, units))))


@dataclass(frozen=True, slots=True)
class OneSided(_Sequence):
    """For differences above 0 alone: guardrails, and not being worse by more than a margin."""

    def half_width(self, variance: ArrayLike, units: ArrayLike) -> Floats:
        """How far the bound lies below the difference; elementwise, infinite where the variance is 0 or unknown."""
        growth = _growth(units, self.planned_units, 2 * self.alpha)
        return _width(variance, growth, np.log1p(np.sqrt(growth) / (2 * self.alpha)))

    def log_e(self, effect: ArrayLike, variance: ArrayLike, units: ArrayLike) -> Floats:
        """The logarithm of the evidence for a difference above 0; elementwise, 0 where the variance is 0 or unknown."""
        growth = _growth(units, self.planned_units, 2 * self.alpha)
        exponent = np.where(np.asarray(effect) > 0, _exponent(effect, variance, growth), 0.0)
        # ln(exp(x) - 1), which neither overflows nor loses a small x.
        with np.errstate(divide="ignore"):
            grown = exponent + np.log(-np.expm1(-exponent))
        return np.where(np.isnan(exponent), 0.0, grown + log(2) - np.log(growth) / 2)

    def p_value(self, effect: ArrayLike, variance: ArrayLike, units: ArrayLike) -> Floats:
        """At one look, in (0, 1]; over several looks the least so far counts."""
        return np.asarray(np.exp(-np.maximum(0.0, self.log_e(effect, variance, units))))


def tuning(planned_units: float, alpha: float) -> float:
    """The r with which a sequence is about tightest at `planned_units` (Howard et al., Annals of Statistics 2021).

    >>> round(tuning(100, 0.05), 5)
    12.60056
    """
    return planned_units / (-2 * log(alpha) + log(1 - 2 * log(alpha)))


def check_settings(alpha: float, planned_units: float) -> None:
    """Raise `ValueError` where no sequence can have these."""
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, not {alpha:g}")
    if not 0 < planned_units < inf:
        raise ValueError(f"the planned units must be above 0, not {planned_units:g}")


def _growth(units: ArrayLike, planned_units: float, alpha: float) -> Floats:
    return np.asarray(1 + np.asarray(units, dtype=np.float64) / tuning(planned_units, alpha))


def _width(variance: ArrayLike, growth: Floats, log_threshold: Floats) -> Floats:
    known = _known(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.sqrt(known * growth / (growth - 1) * 2 * log_threshold)
    return np.where(np.isnan(width), np.inf, width)


def _exponent(effect: ArrayLike, variance: ArrayLike, growth: Floats) -> Floats:
    """NaN where the variance is 0 or unknown."""
    return np.asarray(np.asarray(effect, dtype=np.float64) ** 2 / _known(variance) * (growth - 1) / growth / 2)


def _known(variance: ArrayLike) -> Floats:
    # Units that are all alike, or of which there is one, do not say how much units differ.
    known = np.asarray(variance, dtype=np.float64)
    return np.where((known > 0) & np.isfinite(known), known, np.nan)
