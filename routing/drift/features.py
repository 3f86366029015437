"""What of requests and answers is looked at for drift: a closed list, so that cost and labels are bounded.

Each request is one observation of each feature; pieces (groups of letters, words, templates) are many a request and
are kept beside the features (see `routing.drift.summary`). Texts are never kept: bins, hashes and short pieces are.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from routing.drift.languages import LANGUAGES, SCRIPTS


class Side(StrEnum):
    """Of what a feature is."""

    INPUT = "input"
    OUTPUT = "output"


class Family(StrEnum):
    """What one cause moves together."""

    LENGTH = "length"
    LANGUAGE = "language"
    VOCABULARY = "vocabulary"
    FORM = "form"
    TEMPLATE = "template"
    """Which text, whatever its numbers: it changes with all of the others."""
    OUTPUT = "output"


class Kind(StrEnum):
    """How a feature is counted."""

    NUMBER = "number"
    """In fixed bins."""
    CATEGORY = "category"
    """In a closed list of categories, the last of which is whatever else there may be."""
    PIECES = "pieces"
    """Many things a request, by hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One thing that is looked at."""

    name: str
    side: Side
    family: Family
    kind: Kind
    edges: tuple[float, ...] = ()
    """Of numbers: bin i holds values from edge i-1 (included) to edge i (not included); the outer ones are open."""
    categories: tuple[str, ...] = ()
    unit: str = ""

    @property
    def bins(self) -> int:
        """How many counts there are."""
        return len(self.edges) + 1 if self.kind is Kind.NUMBER else len(self.categories)

    def bin_of(self, value: float) -> int:
        """The bin of a number."""
        return bisect_right(self.edges, value)


def _steps(first: float, last: float, step: float) -> tuple[float, ...]:
    return tuple(first + step * at for at in range(round((last - first) / step) + 1))


_SHARES: Final = (
    0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.14,
    0.16, 0.18, 0.2, 0.22, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
)  # fmt: skip
_FINE_SHARES: Final = _steps(0.025, 0.975, 0.025)
_YES_NO: Final = ("no", "yes")
FINISH_REASONS: Final = ("stop", "length", "tool_calls", "content_filter", "none", "other")


def _input(name: str, family: Family, edges: tuple[float, ...], unit: str) -> Feature:
    return Feature(name=name, side=Side.INPUT, family=family, kind=Kind.NUMBER, edges=edges, unit=unit)


def _output(name: str, edges: tuple[float, ...], unit: str) -> Feature:
    return Feature(name=name, side=Side.OUTPUT, family=Family.OUTPUT, kind=Kind.NUMBER, edges=edges, unit=unit)


def _categories(name: str, side: Side, family: Family, categories: tuple[str, ...]) -> Feature:
    return Feature(name=name, side=side, family=family, kind=Kind.CATEGORY, categories=categories)


def _pieces(name: str, family: Family) -> Feature:
    return Feature(name=name, side=Side.INPUT, family=family, kind=Kind.PIECES)


FEATURES: Final = (
    _input("input_length", Family.LENGTH, _steps(1, 17, 0.25), "log2 characters"),
    _input("input_words", Family.LENGTH, _steps(0.5, 14, 0.25), "log2 of 1 + words"),
    _input("turns", Family.LENGTH, (2, 3, 4, 5, 6, 8, 10, 14, 20, 40), "messages"),
    _categories("script", Side.INPUT, Family.LANGUAGE, SCRIPTS),
    _categories("language", Side.INPUT, Family.LANGUAGE, LANGUAGES),
    _input("non_ascii", Family.LANGUAGE, _SHARES, "share of characters"),
    _input("digits", Family.FORM, _SHARES, "share of bytes"),
    _input("upper", Family.FORM, _SHARES, "share of bytes"),
    _input("whitespace", Family.FORM, _SHARES, "share of bytes"),
    _input("code", Family.FORM, _SHARES, "share of bytes that are punctuation of code"),
    _pieces("grams", Family.VOCABULARY),
    _pieces("unknown_words", Family.VOCABULARY),
    _pieces("new_word", Family.VOCABULARY),
    _pieces("template", Family.TEMPLATE),
    _output("output_length", _steps(0.5, 14, 0.25), "log2 of 1 + tokens"),
    _output("confidence", _FINE_SHARES, "probability"),
    _output("entropy", _steps(0.05, 2.5, 0.05), "nats a token"),
    _categories("refusal", Side.OUTPUT, Family.OUTPUT, _YES_NO),
    _categories("invalid", Side.OUTPUT, Family.OUTPUT, _YES_NO),
    _categories("finish_reason", Side.OUTPUT, Family.OUTPUT, FINISH_REASONS),
    _categories("fallback", Side.OUTPUT, Family.OUTPUT, _YES_NO),
    _output("latency", _steps(0, 18, 0.25), "log2 milliseconds"),
)

BY_NAME: Final[Mapping[str, Feature]] = {feature.name: feature for feature in FEATURES}
COUNTED: Final = tuple(feature for feature in FEATURES if feature.kind is not Kind.PIECES)
"""Those with one observation a request."""
