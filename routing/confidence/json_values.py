"""Follow a JSON text piece by piece: which pieces touch a value, and when the text is complete.

Everything else is structure: brackets, keys, colons, commas, quotes, and white space outside of strings.

    {"intent": "refund", "urgent": true}
                ^^^^^^             ^^^^    values

What breaks JSON's grammar ends the values: nothing after it is one.
"""

from collections.abc import Callable
from typing import Final

_SPACE: Final = " \t\n\r"
_OPENING: Final = {"}": "{", "]": "["}


class JsonValues:
    """Where one JSON text has got to."""

    __slots__ = ("_is_escaped", "_opened", "_step")

    def __init__(self) -> None:
        self._step: Step = _value
        """What the next character means: the state of the machine."""
        self._is_escaped = False
        self._opened: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether the text's one value is finished. A number or a bare word is not, until white space follows."""
        return self._step is _complete

    def touches(self, piece: str) -> bool:
        """Move over the next piece of the text; true if at least one character of it belongs to a value."""
        step = self._step
        if step is _complete or step is _broken:
            return False
        is_string = step is _in_string
        # Most pieces lie wholly within a string or a key.
        if (is_string or step is _in_key) and not self._is_escaped and '"' not in piece and "\\" not in piece:
            return is_string and piece != ""
        found = False
        for char in piece:
            if self._step(self, char):
                found = True
        return found

    def _opens(self, bracket: str) -> None:
        self._opened.append(bracket)
        self._step = _key if bracket == "{" else _value

    def _closes(self, bracket: str) -> None:
        if not self._opened or self._opened.pop() != _OPENING[bracket]:
            self._step = _broken
        else:
            self._ends_value()

    def _ends_value(self) -> None:
        self._step = _after if self._opened else _complete


Step = Callable[[JsonValues, str], bool]
"""Moves over one character; true if it belongs to a value."""


def _value(text: JsonValues, char: str) -> bool:
    """Where a value has to begin."""
    if char == '"':
        text._step = _in_string
    elif char in "{[":
        text._opens(char)
    elif char == "]":
        text._closes(char)
    elif char.isalnum() or char == "-":
        text._step = _in_scalar
        return True
    elif char not in _SPACE:
        text._step = _broken
    return False


def _key(text: JsonValues, char: str) -> bool:
    """In an object, where a key has to begin."""
    if char == '"':
        text._step = _in_key
    elif char == "}":
        text._closes(char)
    elif char not in _SPACE:
        text._step = _broken
    return False


def _in_key(text: JsonValues, char: str) -> bool:
    if text._is_escaped:
        text._is_escaped = False
    elif char == "\\":
        text._is_escaped = True
    elif char == '"':
        text._step = _colon
    return False


def _colon(text: JsonValues, char: str) -> bool:
    if char == ":":
        text._step = _value
    elif char not in _SPACE:
        text._step = _broken
    return False


def _in_string(text: JsonValues, char: str) -> bool:
    """In a string that is a value."""
    if text._is_escaped:
        text._is_escaped = False
    elif char == "\\":
        text._is_escaped = True
    elif char == '"':
        text._ends_value()
        return False
    return True


def _in_scalar(text: JsonValues, char: str) -> bool:
    """In a number, true, false or null."""
    if char.isalnum() or char in "+-.":
        return True
    text._ends_value()
    return text._step(text, char)


def _after(text: JsonValues, char: str) -> bool:
    """After a value within a bracket."""
    if char == ",":
        text._step = _key if text._opened[-1] == "{" else _value
    elif char in _OPENING:
        text._closes(char)
    elif char not in _SPACE:
        text._step = _broken
    return False


def _complete(_text: JsonValues, _char: str) -> bool:
    return False


def _broken(_text: JsonValues, _char: str) -> bool:
    return False
