"""What a request's text is like, without its words: a dozen numbers and categories, words and letters.

Work is bounded: of a long text the first `MAX_CHARS` characters are looked at, and its whole length counts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import log2
from typing import Any, Final

from routing.drift.languages import language_of, script_of

MAX_CHARS: Final = 2048
_WORDS: Final = re.compile(r"[^\W\d_]{1,64}")
"""Longer ones are taken for several, since they are kept for a while."""
_VARIABLE: Final = re.compile(r"\"[^\"\n]{0,200}\"|“[^”\n]{0,200}”|'[^'\n]{2,200}'|\d[\d.,:/-]*")
_NOT_ASCII: Final = bytes(range(128, 256))
_DIGITS: Final = b"0123456789"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WHITESPACE: Final = b" \t\n\r\v\f"
_CODE: Final = b'{}[]()<>=;:/\\|&*+#@$%^~`_"'


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """One request's text, as it is counted. `numbers` and `categories` lack what the text does not have."""

    numbers: Mapping[str, float]
    categories: Mapping[str, str]
    words: Sequence[str]
    """In lower case, without digits."""
    grams: Sequence[str]
    """Every three characters that follow each other, in lower case, blanks as one space."""
    template: str
    """16 hexadecimal digits: a hash of the text without its numbers and quoted parts."""


def describe_input(text: str, turns: int) -> InputFacts:
    """Describe the last user message of a request that has so many messages."""
    length = len(text)
    data = text[:MAX_CHARS].encode("utf-8", "replace")
    text = data.decode()  # without halves of characters, which JSON may name and nothing can store
    lower = " ".join(text.lower().split())
    words = _WORDS.findall(lower)
    numbers: dict[str, float] = {
        "input_length": log2(max(length, 1)),
        "input_words": log2(1 + len(words)),
        "turns": turns,
    }
    if data:
        _add_shares(numbers, text, data)
    script = script_of(text)
    categories = {"script": script}
    language = language_of(words, script)
    if language is not None:
        categories["language"] = language
    return InputFacts(
        numbers=numbers,
        categories=categories,
        words=words,
        grams=list(map("".join, zip(lower, lower[1:], lower[2:], strict=False))),
        template=template_of(lower),
    )


def _add_shares(numbers: dict[str, float], text: str, data: bytes) -> None:
    size = len(data)
    # Deleting a class of bytes and counting what is left is the quickest way there is in Python.
    numbers["non_ascii"] = 1 - len(data.translate(None, _NOT_ASCII)) / len(text)
    numbers["digits"] = 1 - len(data.translate(None, _DIGITS)) / size
    numbers["upper"] = 1 - len(data.translate(None, _UPPER)) / size
    numbers["whitespace"] = 1 - len(data.translate(None, _WHITESPACE)) / size
    numbers["code"] = 1 - len(data.translate(None, _CODE)) / size


def template_of(lower: str) -> str:
    """The fingerprint of a text in lower case, the same whatever numbers and quotations stand in it."""
    bare = _VARIABLE.sub("0", lower)
    return blake2b(bare.encode(), digest_size=8).hexdigest()


def last_user_text(body: Mapping[str, Any]) -> tuple[str, int] | None:
    """The text of a request that is described, and how many messages it has; `None` where there is no text.

    Of a chat the last message of a user, of its parts those that are text; of a text completion the (first) prompt.
    """
    messages = body.get("messages")
    if isinstance(messages, list):
        for message in reversed(messages):
            if isinstance(message, dict) and message.get("role") == "user":
                text = _text_of(message.get("content"))
                return None if text is None else (text, len(messages))
        return None
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt:
        prompt = prompt[0]
    return (prompt, 1) if isinstance(prompt, str) else None


def _text_of(content: object) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(texts) if texts else None
