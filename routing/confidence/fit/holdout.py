"""What a fitted score and its threshold do on answers that they were not made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from routing.confidence.fit.quality import auroc, ece


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Figures on a hold-out; shares are fractions."""

    n: int
    auroc: float | None
    """`None` where all answers are right, or all are wrong."""
    ece: float
    accepted_share: float | None
    """Served; this and the risks are `None` without a threshold."""
    risk: float | None
    """Served and wrong, of all."""
    selective_risk: float | None
    """Wrong, of those served; `None` too where none is served."""


def hold_out(p: ArrayLike, correct: ArrayLike, threshold: float | None, weights: ArrayLike | None = None) -> Held:
    """Judge a score and a threshold on other labels.

    Args:
        p: (n,) in [0, 1], n at least 1.
        correct: (n,) of 0 and 1.
        threshold: answers with p of at least this are served; `None`: there is none.
        weights: (n,) above 0, such as inverse propensities; `None`: all alike.
    """
    scores, right = np.asarray(p, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    mass = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    accepted = risk = selective = None
    if threshold is not None:
        served = scores >= threshold
        accepted = float(np.average(served, weights=mass))
        risk = float(np.average(served * (1 - right), weights=mass))
        selective = risk / accepted if accepted > 0 else None
    both = 0 < right.sum() < len(right)
    return Held(
        n=len(scores),
        auroc=auroc(scores, right, mass) if both else None,
        ece=ece(scores, right, mass),
        accepted_share=accepted,
        risk=risk,
        selective_risk=selective,
    )
