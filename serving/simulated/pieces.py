"""Text in pieces: a stand-in for a tokenizer, which splits as real ones tend to."""

import re
from itertools import accumulate
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
    values = [
        part.span("string" if part["literal"] is None else "literal")
        for part in _JSON_PART.finditer(text)
        if part["key"] is None
    ]
    ends = list(accumulate(map(len, pieces)))
    spans = zip([0, *ends], ends, strict=False)
    return [not any(start < to and end > since for since, to in values) for start, end in spans]
