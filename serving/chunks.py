"""Read the chunks of a streamed completion one by one: what the client gets of each, and what they add up to."""

from typing import Any, Final

import msgspec
import orjson

from routing.confidence.features import Features
from routing.confidence.json_values import JsonValues
from routing.cost.prices import Usage
from serving.errors import Faulted, Malformed
from serving.logprobs import NULL, Rewrite
from serving.said import Said, call_texts, text_of
from serving.structure import Structure
from serving.tokens import StreamTokens
from serving.usage import ShownUsage, usage_of
from serving.whole import INVALID_STRUCTURE, check_text

DONE = b"[DONE]"
_NULL: Final = b"null"
_ABORTED: Final = ("abort", "error")


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
    logprobs: msgspec.Raw = NULL


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


class _Named(msgspec.Struct):
    id: Any = None


_chunk = msgspec.json.Decoder(_Chunk)
_named = msgspec.json.Decoder(_Named)


class ChunkReader:
    """What a stream has brought so far."""

    __slots__ = (
        "_has_answer",
        "_hides_running_usage",
        "_is_refused",
        "_json",
        "_opening",
        "_rewrite",
        "_said",
        "_shows_usage",
        "_structure",
        "_summed",
        "_unfinished",
        "_usages",
        "finish_reason",
        "has_content",
        "is_done",
        "tokens",
    )

    def __init__(
        self,
        *,
        judges: bool,
        shown_usage: ShownUsage,
        rewrite: Rewrite | None = None,
        choices: int = 1,
        structure: Structure | None = None,
        keeps_text: bool = False,
    ) -> None:
        """
        Args:
            judges: the features are wanted.
            shown_usage: as much as the client asked for.
            rewrite: what becomes of log-probabilities before the client gets them.
            choices: how many answers the stream is to bring. With several there are no features.
            structure: what the client asked for.
            keeps_text: `text` is wanted.
        """
        structure = structure if choices == 1 else None
        is_json = structure is not None and structure.wants_json
        self._summed = StreamTokens(is_json=is_json) if judges else None
        self._rewrite = rewrite
        self._shows_usage = shown_usage is not ShownUsage.NONE
        self._hides_running_usage = shown_usage is not ShownUsage.ALL
        self._unfinished = choices
        self._structure = structure
        self._said = Said() if keeps_text or structure is not None else None
        self._json = JsonValues() if is_json else None
        self._has_answer = False
        self._is_refused = False
        self._opening = b""
        self.tokens = 0
        """Content tokens, by log-probabilities where there are some, else by chunks."""
        self.has_content = False
        self.finish_reason: str | None = None
        self._usages = (_NULL, _NULL)
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
        if chunk.error is not NULL and bytes(chunk.error) != b"null":
            raise Faulted("the model's server reported an error within its answer", upstream_status=200)
        usage = _NULL if chunk.usage is NULL else bytes(chunk.usage)
        has_usage = usage != _NULL
        if has_usage:
            # Each counts from the start, so that none but the last need be read.
            self._usages = (self._usages[-1], usage)
        if not chunk.choices:
            return payload if self._shows_usage or not has_usage else None
        if has_usage and self._hides_running_usage:
            payload = _without_usage(payload, usage)
        self._opening = self._opening or payload
        for choice in chunk.choices:
            payload = self._take(choice, payload)
        return payload

    @property
    def usage(self) -> Usage | None:
        """As it was reported last, or before that where the last is not to be believed; `None` where it was not."""
        before, last = self._usages
        return usage_of(last) or usage_of(before)

    @property
    def answer_id(self) -> str | None:
        """The upstream's own name for the answer, once a part of it has come."""
        name = _named.decode(self._opening).id if self._opening else None
        return name if isinstance(name, str) else None

    @property
    def text(self) -> str | None:
        """What the stream has said so far, or the calls of tools as JSON; `None` where it said, or keeps, nothing."""
        return text_of(self._said.content, self._said.calls) if self._said is not None else None

    @property
    def tool_calls(self) -> tuple[tuple[str, str], ...]:
        """Name and arguments of each tool call so far, where they are kept."""
        return () if self._said is None else call_texts(self._said.calls)

    @property
    def features(self) -> Features | None:
        """The features of what has come so far."""
        if self._summed is None:
            return None
        is_valid = self._is_valid() if self.finish_reason is not None else None
        return self._summed.sum_up(is_cut=self.finish_reason == "length", is_valid=is_valid)

    @property
    def has_value(self) -> bool:
        """Whether the JSON value that was asked for is complete."""
        return self._json is not None and self._json.is_complete

    @property
    def is_whole(self) -> bool:
        """Whether the stream may end here: the upstream said so, or every choice is finished."""
        return self.finish_reason is not None and (self.is_done or self._unfinished <= 0)

    @property
    def flaw(self) -> str | None:
        """What is wrong with the stream, once it has ended, or has brought the JSON value that was asked for."""
        if self.finish_reason == "content_filter":
            return "content_filter"
        if self._has_answer:
            return INVALID_STRUCTURE if self._is_valid() is False else None
        return "refused" if self._is_refused else "empty"

    def _is_valid(self) -> bool | None:
        """Whether the structure asked for is there; `None` before that can be told."""
        if self._structure is None or self._said is None or not (self.finish_reason or self.has_value):
            return None
        return self._structure.is_in(self._said.content, self._said.calls)

    def _take(self, choice: _Choice, payload: bytes) -> bytes:
        if choice.finish_reason is not None:
            if choice.finish_reason in _ABORTED:
                raise Faulted("the model's server aborted its answer", upstream_status=200)
            self.finish_reason = choice.finish_reason
            self._unfinished -= 1
        delta = choice.delta
        raw = bytes(choice.logprobs)
        has_logprobs = raw != b"null"
        counted = self._summed.take(delta, raw) if has_logprobs and self._summed is not None else 0
        self.tokens += counted
        if not (counted and self.has_content) and _says_something(choice):
            self.has_content = True
            self.tokens += not counted
        if not self._has_answer:
            self._has_answer = bool(delta.content or choice.text or delta.tool_calls or delta.function_call)
        if self._said is not None:
            self._keep(delta, choice.text)
        if has_logprobs and self._rewrite is not None:
            payload = self._rewrite(payload, raw)
        if delta.refusal:
            self._is_refused = True
        return payload

    def _keep(self, delta: _Delta, text: Any) -> None:
        if self._said is not None:
            self._said.take(delta)
            if isinstance(text, str):
                self._said.say(text)
        if self._json is not None and isinstance(delta.content, str):
            self._json.touches(delta.content)


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


def _without_usage(payload: bytes, usage: bytes) -> bytes:
    """A chunk with `null` for its usage, as chunks have it whose usage is still to come."""
    if not usage.startswith(b'{"'):  # as servers write it; what has no bare quotes might occur within a string too
        return orjson.dumps({**orjson.loads(payload), "usage": None})
    head, _, tail = payload.rpartition(usage)
    return head + _NULL + tail
