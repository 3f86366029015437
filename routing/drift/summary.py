"""What a span of time comes to: counts in fixed bins, sums, and bounded lists of pieces. Sums of summaries are exact.

A worker fills a `Gatherer` for each (route, arm) and takes a `Summary` of it every few seconds.
`Summary.__add__` is commutative and associative, so it does not matter which worker saw what, nor in which order
summaries arrive. What is cut (rare pieces) is cut before a summary is made, never when summaries are added.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from zlib import crc32

from routing.drift.counters import MICRO, MOST_WAITING, WORD_BINS, Numbers, WordBins, word_bin
from routing.drift.describe import InputFacts
from routing.drift.features import BY_NAME, COUNTED, Side

__all__ = [
    "GRAM_BINS",
    "MICRO",
    "MOST_GRAMS",
    "MOST_TEMPLATES",
    "WORD_BINS",
    "Gatherer",
    "Summary",
    "gram_bin",
    "most_frequent",
    "total_of",
    "word_bin",
]

GRAM_BINS: Final = 256
MOST_GRAMS: Final = 256
"""The most frequent ones that a summary names; all of them are in its bins."""
MOST_TEMPLATES: Final = 64
K = TypeVar("K", int, str)
_SIDES: Final = {feature.name: feature.side for feature in COUNTED}
_PLACES: Final = {one.name: {name: at for at, name in enumerate(one.categories)} for one in COUNTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one route and arm had in a span of time. Immutable; add them up with `+`."""

    seen: int = 0
    """All requests."""
    inputs: int = 0
    """Requests whose text was described. `inputs / seen` is the share that was sampled, where all had a text."""
    outputs: int = 0
    """Requests whose answer was counted."""
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By feature: a count a bin or category. A feature that is not there had no value at all."""
    sums: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By number: the sums of values and of their squares, in millionths; whole numbers, so that adding is exact."""
    grams: tuple[int, ...] = ()
    """Three characters at a time, by hash; `GRAM_BINS` counts, or none."""
    words: Mapping[int, int] = field(default_factory=dict)
    """By hash of a word, below `WORD_BINS`: in how many requests it is."""
    top_grams: Mapping[str, int] = field(default_factory=dict)
    templates: Mapping[str, int] = field(default_factory=dict)
    """Fingerprints of the most frequent templates."""

    def missing(self, name: str) -> int:
        """How many of the requests had no value of a feature."""
        total = self.inputs if _SIDES[name] is Side.INPUT else self.outputs
        return total - sum(self.counts.get(name, ()))

    def n(self, side: Side) -> int:
        """How many requests were looked at on one side."""
        return self.inputs if side is Side.INPUT else self.outputs

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            seen=self.seen + other.seen,
            inputs=self.inputs + other.inputs,
            outputs=self.outputs + other.outputs,
            counts=_merged(self.counts, other.counts),
            sums={
                name: _pair(self.sums.get(name, (0, 0)), other.sums.get(name, (0, 0)))
                for name in {**self.sums, **other.sums}
            },
            grams=_added(self.grams, other.grams),
            words=_summed(self.words, other.words),
            top_grams=_summed(self.top_grams, other.top_grams),
            templates=_summed(self.templates, other.templates),
        )

    def cut(self, most_grams: int = 4 * MOST_GRAMS, most_templates: int = 4 * MOST_TEMPLATES) -> "Summary":
        """The same with fewer names of pieces, for keeping. Not to be added to others without saying so."""
        return Summary(
            seen=self.seen,
            inputs=self.inputs,
            outputs=self.outputs,
            counts=self.counts,
            sums=self.sums,
            grams=self.grams,
            words=self.words,
            top_grams=most_frequent(self.top_grams, most_grams),
            templates=most_frequent(self.templates, most_templates),
        )

    def as_document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "seen": self.seen,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "counts": {name: list(counts) for name, counts in self.counts.items()},
            "sums": {name: list(sums) for name, sums in self.sums.items()},
            "grams": list(self.grams),
            "words": [part for item in sorted(self.words.items()) for part in item],
            "top_grams": dict(self.top_grams),
            "templates": dict(self.templates),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Summary":
        """Read what `as_document` wrote. Features that this version does not know, or counts otherwise, are left out.

        Raises:
            ValueError: it is no such document, with a sentence.
        """
        try:
            counts = {
                name: tuple(map(int, counts))
                for name, counts in document["counts"].items()
                if name in BY_NAME and len(counts) == BY_NAME[name].bins
            }
            words = document["words"]
            return cls(
                seen=int(document["seen"]),
                inputs=int(document["inputs"]),
                outputs=int(document["outputs"]),
                counts=counts,
                sums={name: (int(one), int(two)) for name, (one, two) in document["sums"].items() if name in counts},
                grams=tuple(map(int, document["grams"])),
                words=dict(zip(words[::2], words[1::2], strict=True)),
                top_grams=dict(document["top_grams"]),
                templates=dict(document["templates"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no summary of requests: {error!r}") from error


EMPTY: Final = Summary()
"""Of nothing."""


def total_of(summaries: Iterable[Summary]) -> Summary:
    """The sum of summaries; an empty one of none."""
    total = Summary()
    for summary in summaries:
        total = total + summary
    return total


def mean_of(summary: Summary, name: str) -> float | None:
    """The mean of a number, `None` where there is no value."""
    count = sum(summary.counts.get(name, ()))
    return summary.sums[name][0] / MICRO / count if count else None


def gram_bin(gram: str) -> int:
    """Where a piece of three characters counts: CRC-32 (ISO 3309) of its UTF-8, reduced to `GRAM_BINS`."""
    return crc32(gram.encode("utf-8", "replace")) % GRAM_BINS


def most_frequent(counts: Mapping[str, int], how_many: int) -> dict[str, int]:
    """The most frequent ones; of equally frequent ones those that come first in the alphabet."""
    if len(counts) <= how_many:
        return dict(counts)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:how_many])


class Gatherer:
    """Counts what requests of one route and arm are like, until it is taken. Its memory is bounded."""

    __slots__ = (
        "_categories",
        "_grams",
        "_inputs",
        "_numbers",
        "_outputs",
        "_seen",
        "_templates",
        "_waiting",
        "_words",
    )

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._seen = self._inputs = self._outputs = 0
        self._numbers: dict[str, Numbers] = {}
        self._categories: dict[str, list[int]] = {}
        self._waiting: Counter[str] = Counter()
        self._grams = [0] * GRAM_BINS
        self._words = WordBins()
        self._templates: dict[str, int] = {}

    @property
    def seen(self) -> int:
        """Requests since it was taken."""
        return self._seen

    def see(self) -> None:
        """A request came."""
        self._seen += 1

    def add_input(self, facts: InputFacts) -> None:
        """Count the text of one."""
        self._inputs += 1
        self._add(facts.numbers, facts.categories)
        self._words.add(facts.words)
        self._waiting.update(facts.grams)
        if len(self._waiting) > MOST_WAITING:
            self._sort_in({gram: count for gram, count in self._waiting.items() if count > 1})
        template = facts.template
        if template in self._templates or len(self._templates) < MOST_WAITING:
            self._templates[template] = self._templates.get(template, 0) + 1

    def add_output(self, numbers: Mapping[str, float], categories: Mapping[str, str]) -> None:
        """Count an answer: values by feature, without those that it does not have."""
        self._outputs += 1
        self._add(numbers, categories)

    def _add(self, numbers: Mapping[str, float], categories: Mapping[str, str]) -> None:
        for name, value in numbers.items():
            known = self._numbers.get(name)
            if known is None:
                known = self._numbers[name] = Numbers(name)
            known.add(value)
        for name, category in categories.items():
            counts = self._categories.get(name)
            if counts is None:
                counts = self._categories[name] = [0] * BY_NAME[name].bins
            counts[_PLACES[name].get(category, -1)] += 1

    def _sort_in(self, kept: dict[str, int]) -> None:
        """Put pieces into bins; those that are kept go on with their names and what they had."""
        if len(kept) > MOST_WAITING // 2:
            kept = most_frequent(kept, MOST_GRAMS)
        grams = self._grams
        for gram, count in self._waiting.items():
            if gram not in kept:
                grams[gram_bin(gram)] += count
        self._waiting = Counter(kept)

    def take(self) -> Summary:
        """All that was counted since the last time; begins anew."""
        named = most_frequent(self._waiting, MOST_GRAMS)
        self._sort_in({})
        numbers = {name: tuple(known.counts) for name, known in self._numbers.items()}
        summary = Summary(
            seen=self._seen,
            inputs=self._inputs,
            outputs=self._outputs,
            counts=numbers | {name: tuple(counts) for name, counts in self._categories.items()},
            sums={name: (known.sum, known.squares) for name, known in self._numbers.items()},
            grams=tuple(self._grams) if self._inputs else (),
            words=self._words.taken(),
            top_grams=named,
            templates=most_frequent(self._templates, MOST_TEMPLATES),
        )
        self._clear()
        return summary


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    if not one or not other:
        return one or other
    return tuple(map(int.__add__, one, other))


def _merged(one: Mapping[str, tuple[int, ...]], other: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {name: _added(one.get(name, ()), other.get(name, ())) for name in {**one, **other}}


def _pair(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _summed(one: Mapping[K, int], other: Mapping[K, int]) -> dict[K, int]:
    total = dict(one)
    for key, count in other.items():
        total[key] = total.get(key, 0) + count
    return total
