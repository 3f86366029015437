"""The log-probabilities of a chat's choice: read for judging, and rewritten for clients who asked for fewer, or none.

They are cut out of the answer's bytes, which otherwise stay as the upstream sent them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

ALTERNATIVES: Final = 2
"""How many alternatives a token the gateway asks for. Five would tell a little more of entropy and double the bytes and
the time it takes to read them."""

NULL: Final = msgspec.Raw(b"null")
_KEY: Final = b'"logprobs":'
_ALTERNATIVES_KEY: Final = b'"top_logprobs":'

Rewrite = Callable[[bytes, bytes], bytes]
"""From a JSON text and the bytes of the (first) `logprobs` in it, an object, to the text that the client gets."""


class AlternativeLogprob(msgspec.Struct, gc=False):
    """One entry of `top_logprobs`."""

    token: str
    logprob: float | None = None


class TokenLogprob(msgspec.Struct, gc=False):
    """One entry of `logprobs.content`."""

    token: str
    logprob: float | None = None
    top_logprobs: list[AlternativeLogprob] | None = None


class _Logprobs(msgspec.Struct, gc=False):
    content: list[TokenLogprob] | None = None


class _Shown(msgspec.Struct, gc=False):
    top_logprobs: msgspec.Raw = NULL


class _ShownLogprobs(msgspec.Struct, gc=False):
    content: list[_Shown] | None = None
    refusal: msgspec.Raw = NULL


_one = msgspec.json.Decoder(_Logprobs | None)
_many = msgspec.json.Decoder(list[_Logprobs | None])
_shown = msgspec.json.Decoder(_ShownLogprobs)
_list = msgspec.json.Decoder(list[msgspec.Raw])


def read_logprobs(raw: bytes) -> list[TokenLogprob]:
    """The tokens of a `logprobs` value. What cannot be read counts as absent."""
    try:
        logprobs = _one.decode(raw)
    except msgspec.DecodeError:
        return []
    return (logprobs.content or []) if logprobs is not None else []


def read_all_logprobs(raws: Sequence[bytes]) -> list[TokenLogprob]:
    """The tokens of many such values, one after the other; quicker than one by one."""
    try:
        read = _many.decode(b"[" + b",".join(raws) + b"]")
    except msgspec.DecodeError:
        return [token for raw in raws for token in read_logprobs(raw)]
    return [token for logprobs in read if logprobs is not None for token in logprobs.content or ()]


def rewrite_for(body: Mapping[str, Any], *, wants_logprobs: bool) -> Rewrite | None:
    """What becomes of log-probabilities for which the gateway asked; `None` if the client gets them as they come.

    Args:
        body: the client's request.
        wants_logprobs: the client asked for them too.
    """
    if not wants_logprobs:
        return without
    most = body.get("top_logprobs") or 0
    # With `logprob_token_ids` vLLM returns the alternatives that they name, and none beyond them was asked for.
    is_enough = most >= ALTERNATIVES or "logprob_token_ids" in body
    return None if is_enough else partial(trimmed, most=most)


def without(json: bytes, logprobs: bytes) -> bytes:
    """The text with `null` for its log-probabilities."""
    # To look for the key and compare the rest is several times faster than to search for all of the value.
    start = json.find(_KEY) + len(_KEY)
    if json.startswith(logprobs, start):
        return b"null".join((json[:start], json[start + len(logprobs) :]))
    # The value of a later choice. One that holds bare quotes cannot also occur inside of a string.
    if b'"token"' in logprobs:
        return json.replace(logprobs, b"null", 1)
    return _rewritten(json, lambda _: None)


def trimmed(json: bytes, logprobs: bytes, *, most: int) -> bytes:
    """The text with at most so many alternatives for each token: those that come first, as upstreams cut them too."""
    short = _trimmed(logprobs, most)
    start = json.find(_KEY) + len(_KEY)
    if short is not None and json.startswith(logprobs, start):
        return short.join((json[:start], json[start + len(logprobs) :]))
    if short is not None and b'"token"' in logprobs:
        return json.replace(logprobs, short, 1)
    return _rewritten(json, lambda value: _cut(value, most))


def _trimmed(logprobs: bytes, most: int) -> bytes | None:
    """The value alone; `None` for one that is not as upstreams write it."""
    try:
        shown = _shown.decode(logprobs)
        entries = shown.content or ()
        # The key stands once in each entry, and never within a string, where its quotes would have a backslash.
        parts = logprobs.split(_ALTERNATIVES_KEY)
        if len(parts) != len(entries) + 1 or bytes(shown.refusal) != b"null":
            return None
        for at, entry in enumerate(entries, start=1):
            alternatives = bytes(entry.top_logprobs)
            part = parts[at]
            if not (alternatives.startswith(b"[") and part.startswith(alternatives)):
                return None
            kept = b",".join(_list.decode(alternatives)[:most]) if most else b""
            parts[at] = b"[%b]%b" % (kept, part[len(alternatives) :])
    except msgspec.DecodeError:
        return None
    return _ALTERNATIVES_KEY.join(parts)


def _rewritten(json: bytes, change: Callable[[object], object]) -> bytes:
    """For something odd in the place of log-probabilities, such as {}, which may well occur elsewhere too."""
    completion = msgspec.json.decode(json)
    for choice in completion["choices"]:
        if "logprobs" in choice:
            choice["logprobs"] = change(choice["logprobs"])
    return msgspec.json.encode(completion)


def _cut(value: object, most: int) -> object:
    """A value of any shape, with the lists named `top_logprobs` cut wherever they are."""
    if isinstance(value, list):
        return [_cut(part, most) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        name: part[:most] if name == "top_logprobs" and isinstance(part, list) else _cut(part, most)
        for name, part in value.items()
    }
