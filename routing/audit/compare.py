"""Whether two answers to one request agree."""

from enum import StrEnum


class ComparerKind(StrEnum):
    """How two answers are compared."""

    EXACT = "exact"
    """The same text, apart from white space around it and letter case."""
    JSON = "json"
    """JSON objects with the same values in the fields that count."""
    NUMBER = "number"
    """The last number in each, within a relative tolerance."""
    JUDGE = "judge"
    """A model is asked, twice, with the two in either order; both times it has to find them equivalent."""
