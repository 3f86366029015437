"""What is counted a request at a time, quickly: numbers into bins, words by hash."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Final
from zlib import crc32

from routing.drift.features import BY_NAME

WORD_BINS: Final = 65_536
"""A vocabulary of 20,000 words leaves three quarters of these empty: that many new words are seen to be new."""
MICRO: Final = 10**6
"""What sums are in, so that they are whole numbers."""
MOST_WAITING: Final = 4096
"""Different pieces of a kind that wait to be hashed, which costs more than to count them."""
_BEYOND: Final = 1e9


def word_bin(word: str) -> int:
    """Where a word counts."""
    return crc32(word.encode("utf-8", "replace")) % WORD_BINS


class Numbers:
    """The values of one feature."""

    __slots__ = ("_edges", "counts", "squares", "sum")

    def __init__(self, name: str) -> None:
        feature = BY_NAME[name]
        self._edges = feature.edges
        self.counts = [0] * feature.bins
        self.sum = self.squares = 0

    def add(self, value: float) -> None:
        """Count a value. What is no number, or beyond all bounds, has no bin, and is missing."""
        if not -_BEYOND < value < _BEYOND:
            return
        self.counts[bisect_right(self._edges, value)] += 1
        self.sum += round(value * MICRO)
        self.squares += round(value * value * MICRO)


class WordBins:
    """In how many requests words are: hashed once for all requests that have them."""

    __slots__ = ("_bins", "_waiting")

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self._waiting: Counter[str] = Counter()

    def add(self, words: Sequence[str]) -> None:
        """Count those of a request."""
        self._waiting.update(set(words))
        if len(self._waiting) > MOST_WAITING:
            self._sort_in()

    def _sort_in(self) -> None:
        bins = self._bins
        for word, count in self._waiting.items():
            at = word_bin(word)
            bins[at] = bins.get(at, 0) + count
        self._waiting.clear()

    def taken(self) -> dict[int, int]:
        """All of them, by bin."""
        self._sort_in()
        return self._bins
