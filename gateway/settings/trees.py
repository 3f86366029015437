"""Looking into the plain tree of a file, which may be half wrong: what is not of the expected shape is empty."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from gateway.settings.problems import KeyPath, shown

Tree = dict[str, Any]
"""Plain values of a file, of any shape."""

Finding = tuple[KeyPath, str]
"""What is wrong, and where."""


def mapping(value: object) -> Tree:
    """The value, where it is a mapping."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Its items, where it is a list."""
    return list(value) if isinstance(value, list | tuple) else []


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the nearest of the known words, or nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def undeclared(name: str, models: Iterable[str]) -> str:
    """What is said of a model that is not there."""
    return f"{shown(name, ())} is not declared in models{did_you_mean(name, models)}"
