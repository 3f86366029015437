"""Text in pieces: a stand-in for a tokenizer, which splits as real ones tend to."""

import re
from collections import deque
from typing import Final

# A word or a run of punctuation, with the space before it; else white space. Every character is one of the three, so
# the pieces of a text always join to the text. On JSON this gives `{"`, `intent`, `":`, ` "`, `refund`, `"}`.
_PIECE: Final = re.compile(r" ?\w+| ?[^\w\s]+|\s+")
_JSON_PART: Final = re.compile(
    r'"(?P<string>(?:[^"\\]|\\.)*)"(?P<key>\s*:)?|(?P<literal>-?\d[\d.eE+-]*|true|false|null)', re.DOTALL
)


def split(text: str) -> list[str]:
    """Split `text` into pieces that join to it again."""
    return _PIECE.findall(text)


def are_structure(pieces: list[str]) -> list[bool]:
    """Tell which pieces of a JSON text only carry its structure: brackets, quotes, commas and keys.

    Of a text that does not start like a JSON object or array no piece is structure.
    """
    text = "".join(pieces)
    if not text.lstrip().startswith(("{", "[")):
        return [False] * len(pieces)
    values = deque(
        part.span("string" if part["literal"] is None else "literal")
        for part in _JSON_PART.finditer(text)
        if part["key"] is None and (part["literal"] or part["string"])
    )
    flags = []
    start = 0
    for piece in pieces:
        end = start + len(piece)
        while values and values[0][1] <= start:
            values.popleft()
        flags.append(not values or values[0][0] >= end)
        start = end
    return flags
