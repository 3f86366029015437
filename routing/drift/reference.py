"""What windows are compared with: a version's requests in chunks, so that their natural spread is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from routing.drift.features import Feature, Kind, Side
from routing.drift.summary import WORD_BINS, Summary, total_of

TEMPLATE_SHARE: Final = 0.01
"""A template of which the reference has less is one of many, and no category."""
NEW_TEMPLATE_SHARE: Final = 0.05
"""A template that the reference does not have is new when so much of a window has it."""
UNKNOWN_ANYWAY: Final = 0.03
"""So much counts as new beforehand: a reference that knows nearly all words of its own is no reason to mind a few."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """One side of a version. What is derived from it is derived once."""

    side: Side
    chunks: Sequence[Summary]

    @cached_property
    def total(self) -> Summary:
        """All chunks together."""
        return total_of(self.chunks)

    @property
    def n(self) -> int:
        """Requests in it."""
        return self.total.n(self.side)

    @cached_property
    def known_words(self) -> NDArray[np.bool_]:
        """Which bins of words have something in them, (WORD_BINS,)."""
        known = np.zeros(WORD_BINS, dtype=bool)
        known[np.fromiter(self.total.words, dtype=np.int64, count=len(self.total.words))] = True
        return known

    @cached_property
    def templates(self) -> tuple[str, ...]:
        """The fingerprints that are categories, in the order of the alphabet."""
        least = max(2.0, TEMPLATE_SHARE * self.n)
        return tuple(sorted(name for name, count in self.total.templates.items() if count >= least))

    def counts_of(self, feature: Feature) -> Floats:
        """The reference's counts of a feature, (k,). In `chunk_counts` those of its chunks, with the same bins."""
        if feature.name in _OF_ITS_OWN:
            # Its own words are all known to it: what counts as unknown is what a chunk has and no other.
            return np.asarray(self.chunk_counts(feature).sum(axis=0))
        return counts_of(feature, self.total, self)

    def chunk_counts(self, feature: Feature) -> Floats:
        """(chunks, k)."""
        if feature.name in _OF_ITS_OWN:
            own = [self._own_words(chunk) for chunk in self.chunks]
            counted = _OF_ITS_OWN[feature.name]
            rows = [counted(chunk, words) for chunk, words in zip(self.chunks, own, strict=True)]
            return np.array(rows, dtype=np.float64).reshape(-1, 2)
        return np.array([counts_of(feature, chunk, self) for chunk in self.chunks])

    def _own_words(self, chunk: Summary) -> list[int]:
        total = self.total.words
        return [count for at, count in chunk.words.items() if total[at] == count]


def counts_of(feature: Feature, summary: Summary, reference: Reference) -> Floats:
    """A summary's counts of a feature, in bins that the reference sets where the feature has none of its own."""
    if feature.kind is Kind.PIECES:
        return np.asarray(_PIECES[feature.name](summary, reference), dtype=np.float64)
    return np.asarray(summary.counts.get(feature.name, (0,) * feature.bins), dtype=np.float64)


def _grams(summary: Summary, reference: Reference) -> Sequence[float]:
    return summary.grams


def _unknown_of(summary: Summary, reference: Reference) -> list[int]:
    known = reference.known_words
    return [count for at, count in summary.words.items() if not known[at]]


def _unknown_words(summary: Summary, unknown: Sequence[int]) -> tuple[float, float]:
    """Words that are known, and that are not, each once a request."""
    total = sum(summary.words.values())
    return total - sum(unknown), sum(unknown) + UNKNOWN_ANYWAY * total


def _new_word(summary: Summary, unknown: Sequence[int]) -> tuple[float, float]:
    """Requests without and with the most frequent one of the words that are not known, such as a new product."""
    most = max(unknown, default=0)
    return summary.inputs - most, most + UNKNOWN_ANYWAY * summary.inputs


def _template(summary: Summary, reference: Reference) -> Sequence[float]:
    """Those of the reference, one by one; new ones that many have, together; all others together."""
    counted = [summary.templates.get(name, 0) for name in reference.templates]
    new = sum(new_templates(summary, reference).values())
    return *counted, new, summary.inputs - sum(counted) - new


def new_templates(summary: Summary, reference: Reference) -> dict[str, int]:
    """Templates that many requests of a summary have and the reference has not, with their counts."""
    least = max(2.0, NEW_TEMPLATE_SHARE * summary.inputs)
    known = reference.total.templates
    return {name: count for name, count in summary.templates.items() if count >= least and name not in known}


_OF_ITS_OWN: Final[dict[str, Callable[[Summary, Sequence[int]], tuple[float, float]]]] = {
    "unknown_words": _unknown_words,
    "new_word": _new_word,
}
_PIECES: Final[dict[str, Callable[[Summary, Reference], Sequence[float]]]] = {
    "grams": _grams,
    "template": _template,
    "unknown_words": lambda summary, reference: _unknown_words(summary, _unknown_of(summary, reference)),
    "new_word": lambda summary, reference: _new_word(summary, _unknown_of(summary, reference)),
}
