"""How many units an experiment needs.

With the variance V = s^2 / N of the difference out of N units, one that is looked at all the time ends with the wanted
probability by the N at which d = half-width + z s / sqrt(N), for a sequence that is tightest there. That counts the
last look alone; earlier ones make it end a little more often, so the figure is on the safe side by a few per cent.
"""

from dataclasses import dataclass
from math import ceil, log, sqrt
from statistics import NormalDist

from routing.experiment.sequence import ALPHA

POWER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an experiment is to find out."""

    difference: float
    """Between the truth and what is to be ruled out, above 0: the effect, or the margin plus the effect."""
    baseline_sd: float
    """Standard deviation of a unit's value in the baseline, above 0."""
    arm_sd: float
    """The same in the other arm, above 0."""
    is_one_sided: bool = False
    """Whether only one direction matters, as with a margin."""
    alpha: float = ALPHA
    """In (0, 0.5)."""
    power: float = POWER
    """With what probability the difference is to be seen, in [0.5, 1)."""
    arm_share: float = 0.5
    """Of the units, in (0, 1)."""

    def __post_init__(self) -> None:
        for holds, otherwise in (
            (self.difference > 0, "there is no difference to see"),
            (min(self.baseline_sd, self.arm_sd) > 0, "values that never differ need no experiment"),
            (0 < self.alpha < 0.5, "alpha must lie between 0 and 0.5"),
            (0.5 <= self.power < 1, "the power must be from 0.5 to less than 1"),
            (0 < self.arm_share < 1, "the share of the arm must lie between 0 and 1"),
        ):
            if not holds:
                raise ValueError(otherwise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Units in both arms together."""

    units: int
    """For a difference that is looked for at all times."""
    half_by: int
    """By when such an experiment has about an even chance to have ended."""
    one_look_units: int
    """For one that is looked at once, at the end, and never before."""


def size_of(question: Question) -> Size:
    """How many units it takes.

    >>> size_of(Question(difference=0.02, baseline_sd=0.3, arm_sd=0.271))
    Size(units=12283, half_by=7529, one_look_units=6415)
    """
    spread = question.baseline_sd**2 / (1 - question.arm_share) + question.arm_sd**2 / question.arm_share
    scale = spread / question.difference**2
    normal = NormalDist()
    always = _always_valid_z(question)
    once = normal.inv_cdf(1 - question.alpha / (1 if question.is_one_sided else 2))
    power = normal.inv_cdf(question.power)
    return Size(
        units=ceil(scale * (always + power) ** 2),
        half_by=ceil(scale * always**2),
        one_look_units=ceil(scale * (once + power) ** 2),
    )


def _always_valid_z(question: Question) -> float:
    """The half-width of a sequence at its planned units, in standard errors: 3.03 at alpha 0.05."""
    alpha = 2 * question.alpha if question.is_one_sided else question.alpha
    grown = 1 - 2 * log(alpha) + log(1 - 2 * log(alpha))
    threshold = log(1 + sqrt(grown) / alpha) if question.is_one_sided else log(sqrt(grown) / alpha)
    return sqrt(2 * threshold * grown / (grown - 1))
