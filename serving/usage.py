"""Token counts as upstreams report them, or as the gateway must estimate them."""

from typing import Any

import msgspec

from routing.cost.prices import Usage

_MAX_TOKENS = 100_000_000
_CHARS_PER_TOKEN = 4
"""A rule of thumb for English text, used only where the upstream gave no usable count."""


class _InputDetails(msgspec.Struct):
    cached_tokens: Any = 0
    cache_write_tokens: Any = 0


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Any = 0


class _Reported(msgspec.Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


_reported = msgspec.json.Decoder(_Reported | None)


def usage_of(raw: bytes | memoryview) -> Usage | None:
    """Read an OpenAI `usage` object. `None` where it is absent, or not to be believed (negative, not integers)."""
    try:
        reported = _reported.decode(raw)
    except msgspec.DecodeError:
        return None
    if reported is None or not _is_count(reported.prompt_tokens):
        return None
    completion = reported.completion_tokens or 0  # absent for embeddings
    if not _is_count(completion):
        return None
    inputs, outputs = reported.prompt_tokens_details, reported.completion_tokens_details
    return Usage(
        input=reported.prompt_tokens,
        output=completion,
        cached_input=_part(inputs.cached_tokens if inputs else 0, reported.prompt_tokens),
        cache_write=_part(inputs.cache_write_tokens if inputs else 0, reported.prompt_tokens),
        reasoning=_part(outputs.reasoning_tokens if outputs else 0, completion),
    )


def estimated_usage(prompt_bytes: int, output_tokens: int) -> Usage:
    """What was probably used: tokens that were seen, and the size of the request for the rest."""
    return Usage(input=prompt_bytes // _CHARS_PER_TOKEN, output=output_tokens, is_estimated=True)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_TOKENS


def _part(value: object, whole: int) -> int:
    return min(value, whole) if isinstance(value, int) and _is_count(value) else 0
