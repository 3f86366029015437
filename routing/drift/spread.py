"""How much a statistic moves by itself: windows drawn from the reference, compared with the reference.

The rule "mean + 3 standard deviations over chunks of the reference" is the only one that knows how large the window is
and how alike neighbours are (NannyML, documentation of univariate drift detection). Chunks are drawn with replacement
until they are as large as the window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS: Final = 200
DEVIATIONS: Final = 3.0
LEAST_CHUNKS: Final = 5
"""With fewer there is no spread to know."""
Floats = NDArray[np.float64]
Statistic = Callable[[Floats, Floats], Floats]
"""Of a reference (k,) and windows (draws, k)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What a statistic is where nothing has changed."""

    mean: float
    sd: float

    @property
    def limit(self) -> float:
        """What it seldom exceeds."""
        return self.mean + DEVIATIONS * self.sd

    def z(self, value: float) -> float:
        """By how many standard deviations a value is above the mean; 0 where there is no spread at all."""
        return (value - self.mean) / self.sd if self.sd > 0 else 0.0


def spread_of_chunks(chunks: ArrayLike, window: float, statistic: Statistic, seed: int = 0) -> Spread | None:
    """From counts of chunks (m, k): draw windows with about `window` counts, each from whole chunks.

    `None` with fewer than `LEAST_CHUNKS`.
    """
    counts = np.asarray(chunks, dtype=np.float64)
    if len(counts) < LEAST_CHUNKS or counts.sum() == 0:
        return None
    typical = counts.sum() / len(counts)
    how_many = max(1, round(window / typical))
    draws = np.random.default_rng(seed).integers(0, len(counts), size=(DRAWS, how_many))
    windows = counts[draws].sum(axis=1)
    if window < typical:  # a window smaller than a chunk spreads more: thin the chunks out
        windows = np.random.default_rng(seed + 1).binomial(windows.astype(np.int64), window / typical).astype(float)
    return _of(statistic(counts.sum(axis=0), windows))


def spread_of_rows(reference: ArrayLike, window: int, statistic: Statistic, seed: int = 0) -> Spread:
    """From counts (k,) of rows that are independent of each other: windows of `window` rows drawn at random."""
    counts = np.asarray(reference, dtype=np.float64)
    total = counts.sum()
    if total == 0 or window == 0:
        return Spread(mean=0.0, sd=0.0)
    windows = np.random.default_rng(seed).multinomial(window, counts / total, size=DRAWS).astype(np.float64)
    return _of(statistic(counts, windows))


def _of(values: Floats) -> Spread:
    return Spread(mean=float(values.mean()), sd=float(values.std(ddof=1)))
