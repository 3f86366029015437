"""Read the chunks of a streamed completion one by one: what the client gets of each, and what they add up to."""

from typing import Any

import msgspec

from routing.confidence.features import Features
from routing.confidence.tally import Tally
from routing.cost.prices import Usage
from serving.errors import Faulted, Malformed
from serving.usage import usage_of
from serving.whole import chat_logprobs, check_text, sum_up, without

DONE = b"[DONE]"
_NULL = msgspec.Raw(b"null")
_ABORTED = ("abort", "error")


class _Delta(msgspec.Struct, frozen=True):
    content: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    reasoning_content: Any = None
    reasoning: Any = None


_NO_DELTA = _Delta()


class _Choice(msgspec.Struct):
    delta: _Delta = _NO_DELTA
    text: Any = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


_chunk = msgspec.json.Decoder(_Chunk)


class ChunkReader:
    """What a stream has brought so far."""

    __slots__ = (
        "_hides_logprobs",
        "_is_refused",
        "_judges",
        "_shows_usage",
        "_unfinished",
        "finish_reason",
        "has_content",
        "is_done",
        "tally",
        "tokens",
        "usage",
    )

    def __init__(self, *, judges: bool, hides_logprobs: bool, shows_usage: bool, choices: int = 1) -> None:
        """`judges`: sum up log-probabilities. The next two: what the client asked for and must see, or must not.

        `choices`: how many answers the stream is to bring.
        """
        self._judges = judges
        self._hides_logprobs = hides_logprobs
        self._shows_usage = shows_usage
        self._unfinished = choices
        self._is_refused = False
        self.tally = Tally()
        self.tokens = 0
        """Content tokens, by log-probabilities where there are some, else by chunks."""
        self.has_content = False
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.is_done = False

    def read(self, payload: bytes) -> bytes | None:
        """Take in one event.

        Returns:
            What the client gets of it, or `None` for nothing.

        Raises:
            Malformed: it is not a chunk.
            Faulted: it is an error, or the end of an answer that was aborted.
        """
        if payload == DONE:
            self.is_done = True
            return payload
        try:
            chunk = _chunk.decode(payload)
            check_text(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed("the model's server sent a garbled part of an answer", upstream_status=200) from error
        # What is absent is the default itself, which is quicker told than null.
        if chunk.error is not _NULL and bytes(chunk.error) != b"null":
            raise Faulted("the model's server reported an error within its answer", upstream_status=200)
        if chunk.usage is not _NULL:
            self.usage = usage_of(chunk.usage) or self.usage
        if not chunk.choices:
            return payload if self._shows_usage or bytes(chunk.usage) == b"null" else None
        for choice in chunk.choices:
            payload = self._take(choice, payload)
        return payload

    @property
    def features(self) -> Features | None:
        """The features of what has come so far."""
        return self.tally.features

    @property
    def has_value(self) -> bool:
        """Whether the JSON value that was asked for is complete."""
        return False

    @property
    def is_whole(self) -> bool:
        """Whether the stream may end here: the upstream said so, or every choice is finished."""
        return self.finish_reason is not None and (self.is_done or self._unfinished <= 0)

    @property
    def flaw(self) -> str | None:
        """What is wrong with the stream, once it has ended."""
        if self.finish_reason == "content_filter":
            return "content_filter"
        if self.has_content:
            return None
        return "refused" if self._is_refused else "empty"

    def _take(self, choice: _Choice, payload: bytes) -> bytes:
        if choice.finish_reason is not None:
            if choice.finish_reason in _ABORTED:
                raise Faulted("the model's server aborted its answer", upstream_status=200)
            self.finish_reason = choice.finish_reason
            self._unfinished -= 1
        raw = bytes(choice.logprobs)
        has_logprobs = raw != b"null"
        is_counted = has_logprobs and self._judges and self._sum_up(raw)
        if not (is_counted and self.has_content) and _says_something(choice):
            self.has_content = True
            self.tokens += not is_counted
        if has_logprobs and self._hides_logprobs:
            payload = without(payload, raw)
        if choice.delta.refusal:
            self._is_refused = True
        return payload

    def _sum_up(self, raw: bytes) -> bool:
        """Whether the tokens of a chunk could be counted by their log-probabilities."""
        try:
            logprobs = chat_logprobs.decode(raw)
        except msgspec.DecodeError:
            return False
        if logprobs is None or not logprobs.content:
            return False
        self.tokens += len(logprobs.content)
        sum_up(self.tally, logprobs.content)
        return True


def _says_something(choice: _Choice) -> bool:
    delta = choice.delta
    return bool(
        delta.content
        or choice.text
        or delta.tool_calls
        or delta.function_call
        or delta.reasoning_content
        or delta.reasoning
    )
