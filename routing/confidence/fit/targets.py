"""What a threshold is to achieve: one value a mode, each with the figures that it needs and nothing else."""

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike

from routing.confidence.fit.thresholds import (
    Decision,
    budget_threshold,
    fixed_threshold,
    risk_threshold,
    selective_risk_threshold,
    utility_threshold,
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Serve from a given score on."""

    minimum: float
    """In [0, 1]."""

    def __post_init__(self) -> None:
        _require(0 <= self.minimum <= 1, "the least score must be from 0 to 1")


@dataclass(frozen=True, slots=True)
class Budget:
    """Let a given share fall back."""

    share: float
    """In [0, 1]."""

    def __post_init__(self) -> None:
        _require(0 <= self.share <= 1, "the share that may fall back must be from 0 to 1")


@dataclass(frozen=True, slots=True)
class Risk:
    """Bound P(served and wrong), of all answers."""

    alpha: float = 0.1
    """The bound, in (0, 1)."""
    delta: float = 0.1
    """How often the guarantee may fail, in (0, 1)."""

    def __post_init__(self) -> None:
        _require(0 < self.alpha < 1, "alpha must lie between 0 and 1")
        _require(0 < self.delta < 1, "delta must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class SelectiveRisk:
    """Bound P(wrong given served)."""

    alpha: float = 0.1
    """The bound, in (0, 1)."""
    delta: float = 0.1
    """How often the guarantee may fail, in (0, 1)."""

    def __post_init__(self) -> None:
        _require(0 < self.alpha < 1, "alpha must lie between 0 and 1")
        _require(0 < self.delta < 1, "delta must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class Utility:
    """Fall back where the expected gain is worth its price."""

    value_usd: float
    """Of a correct answer, above 0."""
    fallback_cost_usd: float
    """Of one answer of the larger model, at least 0."""
    fallback_accuracy: float
    """Of the larger model, in [0, 1]."""

    def __post_init__(self) -> None:
        _require(self.value_usd > 0 and isfinite(self.value_usd), "the value of a correct answer must be above 0")
        _require(self.fallback_cost_usd >= 0 and isfinite(self.fallback_cost_usd), "a cost must be at least 0")
        _require(0 <= self.fallback_accuracy <= 1, "the accuracy of the larger model must be from 0 to 1")


Target = Threshold | Budget | Risk | SelectiveRisk | Utility


def has_guarantee(target: Target) -> bool:
    """Whether labels set the threshold, which must then not be those of the fit."""
    return isinstance(target, Risk | SelectiveRisk)


def arm(target: Target, scores: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> Decision:
    """The threshold that a target sets on these scores.

    Args:
        target: what is to be achieved.
        scores: (n,) in [0, 1], n at least 1; for a guarantee, of a score not fitted to these labels.
        correct: (n,) of 0 and 1; looked at for a guarantee alone.
        weights: (n,) above 0, such as inverse propensities; `None`: all alike.

    Raises:
        ValueError: weights with a guarantee: exact bounds hold for labels of equal weight only.
    """
    if has_guarantee(target) and weights is not None:
        raise ValueError("a guarantee needs labels of equal weight")
    match target:
        case Risk():
            return risk_threshold(scores, 1 - np.asarray(correct), target.alpha, target.delta)
        case SelectiveRisk():
            return selective_risk_threshold(scores, 1 - np.asarray(correct), target.alpha, target.delta)
        case Budget():
            return budget_threshold(scores, target.share, weights)
        case Threshold():
            return fixed_threshold(scores, target.minimum, weights)
        case Utility():
            price = target.fallback_cost_usd / target.value_usd
            return utility_threshold(scores, target.fallback_accuracy, price, weights)


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001
    if not holds:
        raise ValueError(otherwise)
