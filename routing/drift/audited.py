"""What audits find of a version's answers, and whether that is less than it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

MIN_AUDITS: Final = 100
"""Of which nothing is compared with less: at 100 and 0.9 the standard error is 0.03."""
TOLERANCE: Final = 0.02
"""By how much accuracy may fall before anybody minds."""
_Z: Final = 3.29
"""Of a normal distribution, one in two thousand lies above: it is asked again and again, and has to last as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What audits found of an arm's answers."""

    n: int
    accuracy: float
    error: float
    """Standard error of `accuracy`, above 0."""


def audited(values: Sequence[float], propensities: Sequence[float]) -> Audited | None:
    """Accuracy from audits that were drawn with known chances, each weighed by one over its own (Hajek 1971).

    Args:
        values: 0 or 1 each.
        propensities: the chance that it was audited, in (0, 1].

    Returns:
        `None` for fewer than `MIN_AUDITS`.
    """
    if len(values) < MIN_AUDITS:
        return None
    weights = [1.0 / chance for chance in propensities]
    total, squared = sum(weights), sum(weight * weight for weight in weights)
    accuracy = sum(weight * value for weight, value in zip(weights, values, strict=True)) / total
    spread = sum((weight * (value - accuracy)) ** 2 for weight, value in zip(weights, values, strict=True)) / total**2
    # Where all were right nothing spreads; two more of each kind (Agresti and Coull 1998) leave some doubt.
    effective = total * total / squared
    careful = (accuracy * effective + 2) / (effective + 4)
    return Audited(n=len(values), accuracy=accuracy, error=sqrt(max(spread, careful * (1 - careful) / effective)))


def is_lower(before: Audited, now: Audited) -> bool:
    """Whether accuracy is lower than it was, by more than `TOLERANCE` and more than chance does."""
    return before.accuracy - now.accuracy - _Z * sqrt(before.error**2 + now.error**2) > TOLERANCE
