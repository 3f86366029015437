"""Did the arms get the units that they should have? If not, something decided who is counted, and no result is to be
trusted.

    ln BF = lnG(sum a) - lnG(sum a + n) + sum(lnG(a_i + S_i) - lnG(a_i)) - sum S_i ln t_i        a_i = 10,000 t_i

The sequential test of Lindon and Malek (NeurIPS 2022): S_i units where the share t_i was due. 1 / BF is a p-value that
holds at all times. Each step of a ramp has shares of its own, and a Bayes factor of its own; they multiply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, lgamma, log

from scipy.special import gammaincc

ALARM = 0.001
"""A p-value below it blocks every verdict."""
CONCENTRATION = 10_000.0
"""Of the prior about the shares that were due: deviations of a percent or so are what faults look like."""
MIN_UNITS_OF_CHI_SQUARE = 8
"""An arm."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The units of all arms, at one step, and what was due to them."""

    units: tuple[int, ...]
    weights: tuple[float, ...]
    """At least 0, with a positive sum; in the order of `units`."""

    def __post_init__(self) -> None:
        if len(self.units) != len(self.weights):
            raise ValueError("every arm needs a count and a weight")
        if min(self.units, default=0) < 0 or min(self.weights, default=0) < 0 or not 0 < sum(self.weights) < inf:
            raise ValueError("counts and weights must be at least 0, and some weight above 0")

    @property
    def due(self) -> list[tuple[int, float]]:
        """The units of each arm, beside the share that was due to it."""
        total = sum(self.weights)
        return [(count, weight / total) for count, weight in zip(self.units, self.weights, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatio:
    """What the units say about the split."""

    p_value: float
    """Valid at all times."""
    chi_square_p_value: float | None
    """Valid for one look; `None` with fewer than eight units in an arm."""

    @property
    def is_suspect(self) -> bool:
        """Whether the split looks wrong at a single look, though it is not sure to be.

        While there are few units, the sequential test expects small deviations and is slow to believe in large ones.
        """
        return not self.is_off and self.chi_square_p_value is not None and self.chi_square_p_value < ALARM

    @property
    def is_off(self) -> bool:
        """Whether no verdict may be drawn."""
        return self.p_value < ALARM


def check_sample_ratio(steps: Sequence[Counted], least: float = 1.0) -> SampleRatio:
    """Compare the realised split with the one that was due.

    Args:
        steps: of a ramp; one where the split never changed.
        least: the least p-value at earlier looks, which stays.
    """
    evidence = sum(log_bayes_factor(step) for step in steps)
    return SampleRatio(p_value=min(least, exp(-max(0.0, evidence))), chi_square_p_value=_chi_square(steps))


def log_bayes_factor(step: Counted) -> float:
    """The evidence that the split is not the one that was due; infinite where units are in an arm that was due none.

    >>> round(log_bayes_factor(Counted((4800, 5200), (50, 50))), 5)
    3.65388
    """
    if any(units and not share for units, share in step.due):
        return inf
    due = [(units, share) for units, share in step.due if share]
    n = sum(units for units, _ in due)
    return (
        lgamma(CONCENTRATION)
        - lgamma(CONCENTRATION + n)
        + sum(lgamma(CONCENTRATION * share + units) - lgamma(CONCENTRATION * share) for units, share in due)
        - sum(units * log(share) for units, share in due)
    )


def _chi_square(steps: Sequence[Counted]) -> float | None:
    """The p-value of Pearson's statistic, summed over steps."""
    statistic, freedom = 0.0, 0
    for step in steps:
        n = sum(step.units)
        due = [(units, share * n) for units, share in step.due if share]
        if min(units for units, _ in due) < MIN_UNITS_OF_CHI_SQUARE or sum(units for units, _ in due) < n:
            return None
        statistic += sum((units - expected) ** 2 / expected for units, expected in due)
        freedom += len(due) - 1
    return float(gammaincc(freedom / 2, statistic / 2)) if freedom else None
