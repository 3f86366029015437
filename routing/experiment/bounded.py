"""The same for values from 0 to 1, without an approximation: for rare events, where a normal distribution is far off.

For one arm with the mean p, the sum s of n values and k = n* / (-2 ln a + ln(1 - 2 ln a)) - 1:

    ln M(p) = lnB(k p + s, k (1 - p) + n - s) - lnB(k p, k (1 - p)) - s ln p - (n - s) ln(1 - p)

The beta-binomial mixture of Howard, Ramdas, McAuliffe and Sekhon (Annals of Statistics 49(2), 2021): if p is the mean,
M exceeds 1/a with a probability of at most a, at whatever time. Units of two arms are drawn apart, so that this holds
for the product of both M, too, and for the product over the steps of a ramp. A difference d is left if there is at
every step a mean p of the baseline that, with p + d for the arm, keeps the whole product below 1/a. ln M is convex, so
that what is left is an interval.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, expm1, inf, log

import numpy as np

from routing.experiment.mixture import Mixture, Ties, inside, least
from routing.experiment.sequence import ALPHA, PLANNED_UNITS, check_settings, tuning
from routing.experiment.sums import ArmSums, Floats

FEW_EVENTS = 20
"""With fewer of either outcome in an arm the normal approximation may be wrong far more often than alpha says where the
arms differ much in size: at 1 : 99 with one event in a hundred, 38 % of the time (simulated), and from here on 2 %."""

_POINTS, _ZOOMS = 33, 5
_PARTS, _PARTINGS = 16, 9
"""Each of nine times an end is found to a sixteenth of what it was known to."""
_MOST_LOG_RATIO = 20.0

LogM = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Bounded:
    """Intervals for means from 0 to 1 and for what lies between those of two arms.

    A one-sided bound is one end of the two-sided interval: a little further off than it had to be.
    """

    alpha: float = ALPHA
    """How often it may be wrong, ever; in (0, 0.5)."""
    planned_units: float = PLANNED_UNITS
    """In both arms, half in each; where it is tightest. Any number is valid."""

    def __post_init__(self) -> None:
        check_settings(self.alpha, self.planned_units)

    def mean(self, arm: ArmSums) -> tuple[float, float]:
        """From where to where the mean of an arm may be.

        >>> low, high = Bounded(0.05, 200).mean(ArmSums(n=1000, y=700, d=1000, yy=700, dd=1000))
        >>> round(low, 5), round(high, 5)
        (0.65163, 0.74595)
        """
        mixture = self._mixture([arm])
        return self._left(lambda means: mixture.log_m(means[:, None])[:, 0], float(inside(arm.mean)), 0.0, 1.0)

    def difference(self, steps: Sequence[tuple[ArmSums, ArmSums]]) -> tuple[float, float]:
        """From where to where arm minus baseline may be, within -1 and 1.

        Args:
            steps: (baseline, arm) of each step of a ramp, or of the only one. Over several steps it is one difference
                that all have in common; where no such difference is left, nothing is known: -1 to 1.
        """
        baseline, arm = self._mixtures(steps)

        def evidence(differences: Floats) -> Floats:
            return np.asarray(least(baseline, arm, Ties(differences, np.ones_like(differences))).sum(axis=1))

        return self._left(evidence, lowest(evidence, -1.0, 1.0), -1.0, 1.0)

    def relative(self, baseline: ArmSums, arm: ArmSums) -> tuple[float, float]:
        """The same at one step, as a share of the baseline's mean: from -1, and infinite where that may be 0."""
        of_baseline, of_arm = self._mixtures([(baseline, arm)])

        def evidence(log_ratios: Floats) -> Floats:
            return np.asarray(
                least(of_baseline, of_arm, Ties(np.zeros_like(log_ratios), np.exp(log_ratios))).sum(axis=1)
            )

        most = _MOST_LOG_RATIO
        low, high = self._left(evidence, lowest(evidence, -most, most), -most, most)
        return -1.0 if low <= -most else expm1(low), inf if high >= most else expm1(high)

    def log_e(self, steps: Sequence[tuple[ArmSums, ArmSums]]) -> float:
        """The logarithm of the evidence against no difference at any step; of several looks the greatest counts."""
        return float(least(*self._mixtures(steps), Ties(np.zeros(1), np.ones(1))).sum())

    def p_value(self, steps: Sequence[tuple[ArmSums, ArmSums]]) -> float:
        """At one look, in (0, 1]; over several looks the least so far counts."""
        return exp(-max(0.0, self.log_e(steps)))

    def _left(self, evidence: LogM, start: float, lowest_end: float, highest_end: float) -> tuple[float, float]:
        """From where to where the evidence is below the threshold; `start` is where it is least."""
        threshold = -log(self.alpha)
        ends = np.array([lowest_end, highest_end])
        if evidence(np.array([start]))[0] > threshold:
            return lowest_end, highest_end
        is_open = evidence(ends) <= threshold
        inner, outer = np.full(2, start), ends
        for _ in range(_PARTINGS):
            places = inner[:, None] + np.linspace(0, 1, _PARTS + 1) * (outer - inner)[:, None]
            within = evidence(places[:, 1:-1].ravel()).reshape(2, -1) <= threshold
            # It rises from the start on, so those within come first.
            count, rows = within.sum(axis=1), np.arange(2)
            inner, outer = places[rows, count], places[rows, count + 1]
        low, high = np.where(is_open, ends, outer)
        return float(low), float(high)

    def _mixtures(self, steps: Sequence[tuple[ArmSums, ArmSums]]) -> tuple[Mixture, Mixture]:
        return self._mixture([baseline for baseline, _ in steps]), self._mixture([arm for _, arm in steps])

    def _mixture(self, arms: Sequence[ArmSums]) -> Mixture:
        return Mixture.of(arms, max(1.0, tuning(self.planned_units / 2, self.alpha) - 1))


def has_few_events(arm: ArmSums) -> bool:
    """Whether an arm whose values are 0 or 1 has so few of either that only exact bounds will do."""
    return min(arm.y, arm.n - arm.y) < FEW_EVENTS


def lowest(evidence: LogM, low: float, high: float) -> float:
    """Where a function with one valley is lowest."""
    for _ in range(_ZOOMS):
        points = np.linspace(low, high, _POINTS)
        at = int(evidence(points).argmin())
        low, high = float(points[max(0, at - 1)]), float(points[min(_POINTS - 1, at + 1)])
    return float(points[at])
