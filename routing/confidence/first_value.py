"""Find the first token of an answer that says something: white space, punctuation and JSON structure are skipped.

For an answer that is a JSON object, keys are structure; its first *value* is what was decided:

    {"intent": "refund", ...}      tokens: {"  intent  ":  _"  ref  und  ...
                                                               ^^^ the first value token

So is the fence around JSON in Markdown. A value without a letter or digit, such as `""`, is passed over.
"""

from enum import Enum, auto

_FENCE = "```"


class _At(Enum):
    START = auto()
    """Nothing but white space or a fence so far."""
    FENCE = auto()
    """On the line that opens a fence, which may name a language."""
    TEXT = auto()
    """Not JSON: the first letter or digit is a value."""
    VALUE = auto()
    """In JSON, where a value may begin."""
    BETWEEN = auto()
    """In JSON, where none may: before or after a key, or after a value."""
    IN_KEY = auto()
    IN_STRING = auto()
    """In a value that is a string, of which only punctuation was seen."""


_SPEAKING = frozenset({_At.START, _At.TEXT, _At.VALUE, _At.IN_STRING})


class FirstValue:
    """Fed an answer's tokens in order, tells which one holds the start of the first value."""

    __slots__ = ("_at", "_escaped", "_opened", "_ticks")

    def __init__(self) -> None:
        self._at = _At.START
        self._escaped = False
        self._opened = ""
        self._ticks = ""

    def is_in(self, token: str) -> bool:
        """Whether the first value begins in this token. Not to be called again once it has said yes."""
        return any(self._begins_with(char) for char in token)

    def _begins_with(self, char: str) -> bool:
        """Move over one character; true if it is the first of a value."""
        at = self._at
        if self._escaped:
            self._escaped = False
            return at is _At.IN_STRING and char == "u"  # the other escapes are white space and punctuation
        if at is _At.START:
            self._leave_start(char)
        elif at is _At.FENCE:
            self._at = _At.START if char == "\n" else at
        elif at is _At.IN_KEY or at is _At.IN_STRING:
            self._move_in_string(char)
        elif at is not _At.TEXT:
            self._move_in_json(char)
        return at in _SPEAKING and self._at is not _At.FENCE and char.isalnum()

    def _leave_start(self, char: str) -> None:
        if char in "{[":
            self._open(char)
        elif char == "`":
            self._ticks += char
        elif self._ticks.startswith(_FENCE):
            self._ticks = ""
            self._at = _At.START if char == "\n" else _At.FENCE
        elif not char.isspace():
            self._at = _At.TEXT

    def _move_in_json(self, char: str) -> None:
        if char == '"':
            self._at = _At.IN_STRING if self._at is _At.VALUE else _At.IN_KEY
        elif char in "{[":
            self._open(char)
        elif char in "}]":
            self._opened = self._opened[:-1]
            self._at = _At.BETWEEN if self._opened else _At.TEXT
        elif char == ",":
            self._at = _At.BETWEEN if self._opened[-1] == "{" else _At.VALUE
        elif char == ":":
            self._at = _At.VALUE

    def _open(self, bracket: str) -> None:
        self._opened += bracket
        self._at = _At.BETWEEN if bracket == "{" else _At.VALUE

    def _move_in_string(self, char: str) -> None:
        if char == "\\":
            self._escaped = True
        elif char == '"':
            self._at = _At.BETWEEN
