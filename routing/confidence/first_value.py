"""Find the first token of an answer that says something: white space, punctuation and JSON structure are skipped.

For an answer that is a JSON object, keys are structure; its first *value* is what was decided:

    {"intent": "refund", ...}      tokens: {"  intent  ":  _"  ref  und  ...
                                                               ^^^ the first value token

So is the fence around JSON in Markdown. A value without a letter or digit, such as `""`, is passed over.
"""

from collections.abc import Callable
from typing import Final

_FENCE: Final = "```"


class FirstValue:
    """Fed an answer's tokens in order, tells which one holds the start of the first value."""

    __slots__ = ("_is_escaped", "_opened", "_step", "_ticks")

    def __init__(self) -> None:
        self._step: Step = _start
        """What the next character means: the state of the machine."""
        self._is_escaped = False
        self._opened = ""
        self._ticks = ""

    def is_in(self, token: str) -> bool:
        """Whether the first value begins in this token. Not to be called again once it has said yes."""
        for char in token:  # noqa: SIM110  a generator for each token costs more than the look itself
            if self._step(self, char):
                return True
        return False

    def _open(self, bracket: str) -> None:
        self._opened += bracket
        self._step = _between if bracket == "{" else _value

    def _move_in_json(self, char: str) -> None:
        if char == '"':
            self._step = _in_string if self._step is _value else _in_key
        elif char in "{[":
            self._open(char)
        elif char in "}]":
            self._opened = self._opened[:-1]
            self._step = _between if self._opened else _text
        elif char == ",":
            self._step = _between if self._opened[-1] == "{" else _value
        elif char == ":":
            self._step = _value

    def _move_in_string(self, char: str) -> None:
        if char == "\\":
            self._is_escaped = True
        elif char == '"':
            self._step = _between


Step = Callable[[FirstValue, str], bool]
"""Moves over one character; true if it is the first of a value."""


def _start(answer: FirstValue, char: str) -> bool:
    """Nothing but white space or a fence so far."""
    if char in "{[":
        answer._open(char)
    elif char == "`":
        answer._ticks += char
    elif answer._ticks.startswith(_FENCE):
        answer._ticks = ""
        answer._step = _start if char == "\n" else _fence
        return False
    elif not char.isspace():
        answer._step = _text
        return char.isalnum()
    return False


def _fence(answer: FirstValue, char: str) -> bool:
    """On the line that opens a fence, which may name a language."""
    if char == "\n":
        answer._step = _start
    return False


def _text(_answer: FirstValue, char: str) -> bool:
    """Not JSON: the first letter or digit is a value."""
    return char.isalnum()


def _value(answer: FirstValue, char: str) -> bool:
    """In JSON, where a value may begin."""
    answer._move_in_json(char)
    return char.isalnum()


def _between(answer: FirstValue, char: str) -> bool:
    """In JSON, where none may: before or after a key, or after a value."""
    answer._move_in_json(char)
    return False


def _in_key(answer: FirstValue, char: str) -> bool:
    if answer._is_escaped:
        answer._is_escaped = False
    else:
        answer._move_in_string(char)
    return False


def _in_string(answer: FirstValue, char: str) -> bool:
    """In a value that is a string, of which only punctuation was seen."""
    if answer._is_escaped:
        answer._is_escaped = False
        return char == "u"  # the other escapes are white space and punctuation
    answer._move_in_string(char)
    return char.isalnum()
