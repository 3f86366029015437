"""Token counts as upstreams report them, or as the gateway must estimate them.

Usage comes last, so an answer that nobody waited for to its end has none. vLLM reports it with each chunk when asked
(`continuous_usage_stats`), and is asked where tokens could not be counted otherwise; a stream of 33 chunks is then
dearer to read by 30 microseconds, a twentieth of all that it costs. Where log-probabilities come with the tokens these
are counted as they come, and where neither is to be had, chunks are. The input is then estimated by the size of the
request, at the rate of the answers that did report it.
"""

from enum import Enum
from typing import Any, Final

import msgspec

from routing.cost.prices import Usage


class ShownUsage(Enum):
    """How much of a stream's usage its client gets."""

    NONE = "none"
    LAST = "last"
    """Of the whole answer, in a chunk of its own."""
    ALL = "all"
    """Also what comes with other chunks."""


_MAX_TOKENS = 100_000_000
_BYTES_PER_TOKEN: Final = 4
"""A rule of thumb for English text."""
_PRIOR_TOKENS: Final = 250
_MEMORY_BYTES: Final = 1_000_000


class PromptScale:
    """How many tokens of one model the bytes of a request come to: by a rule of thumb, then by what it reported."""

    __slots__ = ("_bytes", "_tokens")

    def __init__(self) -> None:
        self._tokens: float = _PRIOR_TOKENS
        self._bytes: float = _PRIOR_TOKENS * _BYTES_PER_TOKEN

    def learn(self, prompt_bytes: int, usage: Usage) -> None:
        """Take in what an answer reported. Later ones count for more."""
        self._bytes += prompt_bytes
        self._tokens += usage.input
        if self._bytes > _MEMORY_BYTES:
            self._bytes /= 2
            self._tokens /= 2

    def estimate(self, prompt_bytes: int, output_tokens: int) -> Usage:
        """What was probably used: tokens that were seen, and the size of the request for the rest."""
        return Usage(input=int(prompt_bytes * self._tokens / self._bytes), output=output_tokens, is_estimated=True)


class _InputDetails(msgspec.Struct):
    cached_tokens: Any = 0
    cache_write_tokens: Any = 0
    cache_creation_tokens: Any = 0
    """What proxies of hosted models call it."""


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: Any = 0


class _Reported(msgspec.Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = None
    prompt_cache_hit_tokens: Any = 0
    """DeepSeek's word for cached ones, which are part of the prompt's there too."""
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
    cached = _part(inputs.cached_tokens if inputs else reported.prompt_cache_hit_tokens, reported.prompt_tokens)
    # Whatever is claimed of parts, together they are no more than the whole, which is billed once.
    fresh = reported.prompt_tokens - cached
    return Usage(
        input=reported.prompt_tokens,
        output=completion,
        cached_input=cached,
        cache_write=_part(inputs.cache_write_tokens or inputs.cache_creation_tokens, fresh) if inputs else 0,
        reasoning=_part(outputs.reasoning_tokens if outputs else 0, completion),
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_TOKENS


def _part(value: object, whole: int) -> int:
    return min(value, whole) if isinstance(value, int) and _is_count(value) else 0
