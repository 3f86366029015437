"""How good a score is: AUROC, calibration error and Brier score, each with a bootstrap interval."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routing.confidence.fit.logistic import Floats, require_both_classes

ECE_BINS = 15
BOOTSTRAP_DRAWS = 1000
_TAILS_PERCENT = (2.5, 97.5)
_CELLS_AT_ONCE = 500_000
"""Of the matrix of draws and rows: 4 MB at a time."""


class Estimate(NamedTuple):
    """A value and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Quality(NamedTuple):
    """What a score is worth on labelled answers."""

    n: int
    auroc: Estimate
    ece: Estimate
    """Over 15 bins of equal width."""
    ece_equal_mass: float
    """Over 15 bins of (about) equally many answers."""
    brier: Estimate

    @property
    def prr(self) -> float:
        """The prediction rejection ratio (Malinin and Gales 2021): 0 at chance, 1 if every wrong answer goes first."""
        return 2 * self.auroc.value - 1


def measure(
    p: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0
) -> Quality:
    """Everything about a score at once.

    Intervals are percentiles of `draws` resamples of the rows. A calibration error is a sum of absolute values, which
    resampling makes larger; its interval is therefore moved so that the median draw lies at the estimate.

    Args:
        p: (n,) in [0, 1].
        correct: (n,) of 0 and 1.
        weights: (n,) above 0, such as inverse propensities; `None`: all alike.
        draws: how many resamples.
        seed: of the resamples.

    Raises:
        OneClassOnly: all answers are right, or all are wrong.
    """
    rows = _Rows(p, correct, weights)
    require_both_classes(rows.correct)
    value = rows.measures(rows.weights[None, :])[0]
    spread = np.concatenate([rows.measures(counts * rows.weights) for counts in _resamples(rows.n, draws, seed)])
    # A draw may by chance hold one class; it then says nothing about AUROC.
    low, high = np.nanpercentile(spread, _TAILS_PERCENT, axis=0)
    shift = np.median(spread[:, 1]) - value[1]
    return Quality(
        n=rows.n,
        auroc=Estimate(float(value[0]), float(low[0]), float(high[0])),
        ece=Estimate(float(value[1]), max(0.0, float(low[1] - shift)), float(high[1] - shift)),
        ece_equal_mass=rows.ece(rows.equal_mass()),
        brier=Estimate(float(value[2]), float(low[2]), float(high[2])),
    )


def auroc(scores: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> float:
    """P(score of a right answer > score of a wrong one), half for ties (midranks); weighted where weights are given.

    Raises:
        OneClassOnly: all answers are right, or all are wrong.

    >>> auroc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    rows = _Rows(scores, correct, weights)
    require_both_classes(rows.correct)
    return float(rows.aurocs(rows.weights[None, :])[0])


def ece(p: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None, *, equal_mass: bool = False) -> float:
    """The expected calibration error (Guo et al. 2017): the mean over 15 bins of |share right - mean p|.

    Bins are [0, 1/15), [1/15, 2/15), ..., the last one closed; with `equal_mass` they hold equally many answers, as
    far as equal p stay together.

    >>> round(ece([0.95, 0.95, 0.95, 0.95, 0.1], [1, 1, 1, 0, 0]), 3)
    0.18
    """
    rows = _Rows(p, correct, weights)
    return rows.ece(rows.equal_mass() if equal_mass else rows.equal_width())


def brier(p: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The mean squared difference of p and outcome (Brier 1950).

    >>> round(brier([0.9, 0.2], [1, 0]), 3)
    0.025
    """
    rows = _Rows(p, correct, weights)
    return float(np.average((rows.p - rows.correct) ** 2, weights=rows.weights))


def paired_bootstrap(
    statistic: Callable[..., float], columns: Sequence[Floats], *, draws: int = BOOTSTRAP_DRAWS, seed: int = 0
) -> Estimate:
    """A statistic of rows with its 95 % percentile interval, whole rows being resampled together.

    Args:
        statistic: takes as many arrays as there are columns; NaN where a resample leaves it undefined.
        columns: arrays of the same length n.
        draws: how many resamples.
        seed: of the resamples.
    """
    chance = np.random.default_rng(seed)
    n = len(columns[0])
    drawn = np.empty(draws)
    for draw in range(draws):
        rows = chance.integers(n, size=n)
        drawn[draw] = statistic(*(column[rows] for column in columns))
    if np.isnan(drawn).all():
        return Estimate(statistic(*columns), float("nan"), float("nan"))
    low, high = np.nanpercentile(drawn, _TAILS_PERCENT)
    return Estimate(statistic(*columns), float(low), float(high))


class _Rows:
    """Labelled answers in the order of their scores, so that bins and ties are slices."""

    def __init__(self, p: ArrayLike, correct: ArrayLike, weights: ArrayLike | None) -> None:
        scores = np.asarray(p, dtype=np.float64)
        order = np.argsort(scores, kind="stable")
        self.n = len(order)
        self.p = scores[order]
        self.correct = np.asarray(correct, dtype=np.float64)[order]
        self.weights = np.ones(self.n) if weights is None else np.asarray(weights, dtype=np.float64)[order]
        if not np.isfinite(self.p).all():
            raise ValueError("a score is not a finite number")
        self._ties = np.flatnonzero(np.append(True, self.p[1:] != self.p[:-1]))

    def equal_width(self) -> NDArray[np.intp]:
        """Where each bin that holds something begins."""
        bins = np.minimum((self.p * ECE_BINS).astype(np.intp), ECE_BINS - 1)
        return np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))

    def equal_mass(self) -> NDArray[np.intp]:
        """The same for bins of equally many, moved back so that equal scores stay together."""
        wanted = (np.arange(ECE_BINS) * self.n) // ECE_BINS
        return np.unique(np.searchsorted(self.p, self.p[wanted], side="left"))

    def ece(self, starts: NDArray[np.intp]) -> float:
        return float(self.eces(self.weights[None, :], starts)[0])

    def eces(self, weights: Floats, starts: NDArray[np.intp]) -> Floats:
        """One calibration error for each row of weights, shape (b, n) to (b,)."""
        gaps = np.add.reduceat(weights * (self.correct - self.p), starts, axis=1)
        return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))

    def aurocs(self, weights: Floats) -> Floats:
        """One AUROC for each row of weights, shape (b, n) to (b,); NaN where one class has no weight."""
        right = weights * self.correct
        wrong = weights - right
        if len(self._ties) < self.n:
            right = np.add.reduceat(right, self._ties, axis=1)
            wrong = np.add.reduceat(wrong, self._ties, axis=1)
        below = np.cumsum(wrong, axis=1) - wrong / 2
        pairs = right.sum(axis=1) * wrong.sum(axis=1)
        won = (right * below).sum(axis=1)
        return np.asarray(np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0))

    def measures(self, weights: Floats) -> Floats:
        """AUROC, calibration error and Brier score for each row of weights, shape (b, n) to (b, 3)."""
        brier_scores = weights @ (self.p - self.correct) ** 2 / weights.sum(axis=1)
        return np.column_stack([self.aurocs(weights), self.eces(weights, self.equal_width()), brier_scores])


def _resamples(n: int, draws: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn in each resample, in blocks of shape (b, n)."""
    chance = np.random.default_rng(seed)
    block = max(1, _CELLS_AT_ONCE // n)
    for begin in range(0, draws, block):
        size = min(block, draws - begin)
        drawn = chance.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
