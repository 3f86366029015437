"""Find the first token of an answer that says something: white space, punctuation and JSON structure are skipped.

For an answer that is a JSON object, keys are structure; its first *value* is what was decided:

    {"intent": "refund", ...}      tokens: {"  intent  ":  _"  ref  und  ...
                                                               ^^^ the first value token
"""

from enum import Enum, auto


class _At(Enum):
    START = auto()
    """Nothing but white space so far."""
    TEXT = auto()
    """Not JSON: the first letter or digit is a value."""
    VALUE = auto()
    """In JSON, where a value may begin."""
    KEY = auto()
    """In JSON, where a key may begin or between members."""
    IN_KEY = auto()
    COLON = auto()


_STRUCTURE = frozenset({_At.KEY, _At.IN_KEY, _At.COLON})


class FirstValue:
    """Fed an answer's tokens in order, tells which one holds the start of the first value."""

    __slots__ = ("_at", "_escaped")

    def __init__(self) -> None:
        self._at = _At.START
        self._escaped = False

    def is_in(self, token: str) -> bool:
        """Whether the first value begins in this token. Not to be called again once it has said yes."""
        return any(self._begins_with(char) for char in token)

    def _begins_with(self, char: str) -> bool:
        """Move over one character; true if it is the first of a value."""
        at = self._at
        if at is _At.START:
            self._leave_start(char)
        elif at is _At.IN_KEY:
            self._move_in_key(char)
        elif at is _At.KEY or at is _At.COLON:
            self._move_between(char)
        elif at is _At.VALUE and char == "{":
            self._at = _At.KEY
        return at not in _STRUCTURE and char.isalnum()

    def _leave_start(self, char: str) -> None:
        if char in "{[":
            self._at = _At.KEY if char == "{" else _At.VALUE
        elif not char.isspace():
            self._at = _At.TEXT

    def _move_between(self, char: str) -> None:
        if char == '"' and self._at is _At.KEY:
            self._at = _At.IN_KEY
        elif char == ":":
            self._at = _At.VALUE

    def _move_in_key(self, char: str) -> None:
        if self._escaped:
            self._escaped = False
        elif char == "\\":
            self._escaped = True
        elif char == '"':
            self._at = _At.COLON
