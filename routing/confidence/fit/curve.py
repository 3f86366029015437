"""The trade between cost and quality: what is gained as more and more of the least sure answers go to the larger model.

The k answers with the lowest scores go there, k = 0..n, equal scores in the order of the rows; x = k / n is the share
that falls back and y the accuracy of what is then served.

| figure | definition | source |
| --- | --- | --- |
| weak, strong | y at k = 0 and at k = n | |
| APGR | (area under y over x, by trapezoids, - weak) / (strong - weak); 0.5 at chance | Ong et al. 2025 |
| CPT(q) | the least x with y >= weak + q (strong - weak) | Ong et al. 2025 |
| PRR | area over chance, were the larger model always right, over that of the best order | Malinin and Gales 2021 |
| AUROC | P(score of a right answer > score of a wrong one) | |
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from routing.confidence.fit.logistic import Floats, require_both_classes
from routing.confidence.fit.quality import auroc

MAX_POINTS = 101


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place on the curve."""

    share: float
    """That falls back."""
    accuracy: float
    cost: float | None
    """A request, the small model's part included; `None` without costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a request costs on average, in the unit that the costs came in. A cascade always pays the small model."""

    small: float
    large: float
    at_cpt50: float | None
    at_cpt80: float | None
    break_even_share: float
    """The cascade is cheaper than the larger model alone while less than this falls back: 1 - small / large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The figures of a curve; shares and CPTs are fractions."""

    n: int
    weak: float
    strong: float
    auroc: float
    prr: float
    apgr: float | None
    """`None` where the larger model is not better, so that there is no gap to recover; so are both CPTs."""
    cpt50: float | None
    cpt80: float | None
    points: tuple[Point, ...]
    """At most 101, the ends among them."""
    prices: Prices | None

    @property
    def has_gap(self) -> bool:
        """Whether the larger model is better at all."""
        return self.strong > self.weak


def draw_curve(
    scores: ArrayLike,
    correct: ArrayLike,
    fallback_correct: ArrayLike,
    cost: ArrayLike | None = None,
    fallback_cost: ArrayLike | None = None,
) -> Curve:
    """The curve of these answers.

    Args:
        scores: (n,) finite; higher is surer.
        correct: (n,) of 0 and 1, of the small model.
        fallback_correct: (n,) of 0 and 1, of the larger one.
        cost: (n,) what the small model's answer cost; with `fallback_cost` or not at all.
        fallback_cost: (n,) what the larger model's answer cost or would have.

    Raises:
        OneClassOnly: the small model is always right, or always wrong: there is no AUROC.
    """
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    small = np.asarray(correct, dtype=np.float64)[order]
    large = np.asarray(fallback_correct, dtype=np.float64)[order]
    require_both_classes(small)
    n = len(order)
    right = _after_deferral(small, large)
    gap = float(right[-1] - right[0])
    cpt50, cpt80 = (_least_share(right, gap, part) for part in (0.5, 0.8))
    spent = None
    if cost is not None and fallback_cost is not None:
        paid, would_pay = np.asarray(cost, dtype=np.float64)[order], np.asarray(fallback_cost, dtype=np.float64)[order]
        spent = (paid.sum() + np.concatenate([[0.0], np.cumsum(would_pay)])) / n
    return Curve(
        n=n,
        weak=float(right[0]) / n,
        strong=float(right[-1]) / n,
        auroc=auroc(values, correct),
        prr=_rejection_ratio(small),
        apgr=(_area(right) - float(right[0])) / gap if gap > 0 else None,
        cpt50=cpt50,
        cpt80=cpt80,
        points=_points(right, spent),
        prices=None if spent is None else _prices(spent, float(np.mean(paid)), cpt50, cpt80),
    )


def _after_deferral(small: Floats, large: Floats) -> Floats:
    """How many are right when the first k went to the larger model, k = 0..n."""
    return np.asarray(small.sum() + np.concatenate([[0.0], np.cumsum(large - small)]))


def _area(right: Floats) -> float:
    """Under the curve over k / n in [0, 1], in numbers of right answers."""
    return float(np.trapezoid(right)) / (len(right) - 1)


def _least_share(right: Floats, gap: float, part: float) -> float | None:
    if gap <= 0:
        return None
    # Counts are whole numbers; the slack is for 0.8 x gap alone.
    reached = np.flatnonzero(right >= right[0] + part * gap - 1e-9)
    return float(reached[0]) / (len(right) - 1)


def _rejection_ratio(small: Floats) -> float:
    perfect = np.ones_like(small)
    chance = float(small.sum() + len(small)) / 2
    best = _area(_after_deferral(np.sort(small), perfect))
    return (_area(_after_deferral(small, perfect)) - chance) / (best - chance)


def _points(right: Floats, spent: Floats | None) -> tuple[Point, ...]:
    n = len(right) - 1
    at = np.unique(np.round(np.linspace(0, n, min(n + 1, MAX_POINTS))).astype(np.intp))
    return tuple(
        Point(share=int(k) / n, accuracy=float(right[k]) / n, cost=None if spent is None else float(spent[k]))
        for k in at
    )


def _prices(spent: Floats, small: float, cpt50: float | None, cpt80: float | None) -> Prices | None:
    n = len(spent) - 1
    large = float(spent[-1]) - small
    cost50, cost80 = (None if cpt is None else float(spent[round(cpt * n)]) for cpt in (cpt50, cpt80))
    break_even = max(0.0, 1 - small / large) if large > 0 else 0.0
    return Prices(small=small, large=large, at_cpt50=cost50, at_cpt80=cost80, break_even_share=break_even)
