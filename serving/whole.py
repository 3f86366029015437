"""Read a whole chat or text completion: is it an answer, what is it worth, and what must the client not see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from routing.confidence.features import Features
from routing.confidence.tally import Tally
from routing.cost.prices import Usage
from serving.errors import ErrorInstead, Faulted, Malformed
from serving.usage import usage_of

_NULL = msgspec.Raw(b"null")
_KEY = b'"logprobs":'
_ABORTED = ("abort", "error")
"""Finish reasons with which vLLM ends answers that it could not finish; clients take them for success."""


class _Message(msgspec.Struct):
    content: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: Any = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


class TokenLogprob(msgspec.Struct):
    """One entry of `logprobs.content`; the alternatives are skipped, not built."""

    token: str
    logprob: float | None = None


class ChatLogprobs(msgspec.Struct):
    """The `logprobs` of a choice."""

    content: list[TokenLogprob] | None = None


_answer = msgspec.json.Decoder(_Answer)
chat_logprobs = msgspec.json.Decoder(ChatLogprobs | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeAnswer:
    """A well-formed answer."""

    body: bytes
    """As the client shall get it."""
    flaw: str | None
    """`empty`, `refused` or `content_filter`: nothing a user can do anything with."""
    finish_reason: str | None
    features: Features | None
    usage: Usage | None
    output_tokens_seen: int
    """A count for when there is no usage: log-probabilities if there are any, otherwise by size."""


def read_whole(body: bytes, *, judges: bool, hides_logprobs: bool) -> WholeAnswer:
    """Take an upstream's 200 apart.

    Args:
        body: what the upstream sent.
        judges: the log-probabilities of the (single) choice are wanted.
        hides_logprobs: the client did not ask for them.

    Raises:
        Malformed: it is not a completion.
        Faulted: it is an error in disguise (`ErrorInstead`), or generation was aborted.
    """
    try:
        answer = _answer.decode(body)
        check_text(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("the model's server sent something that is no answer", upstream_status=200) from error
    if bytes(answer.error) != b"null":
        raise ErrorInstead("the model's server sent an error instead of an answer", upstream_status=200)
    if not answer.choices:
        raise Malformed("the model's answer has no choices", upstream_status=200)
    if any(choice.finish_reason in _ABORTED for choice in answer.choices):
        raise Faulted("the model's server aborted its answer", upstream_status=200)
    first = answer.choices[0]
    features = tallied(first.logprobs).features if judges and len(answer.choices) == 1 else None
    return WholeAnswer(
        body=_without_logprobs(body, answer.choices) if hides_logprobs else body,
        flaw=_flaw(first),
        finish_reason=first.finish_reason,
        features=features,
        usage=usage_of(answer.usage),
        output_tokens_seen=features.tokens if features else _size(first) // 4,
    )


def check_text(json: bytes) -> None:
    """Raise `UnicodeDecodeError` for what is not UTF-8: parts that nobody here reads are passed over unchecked."""
    if not json.isascii():
        json.decode()


def tallied(raw: msgspec.Raw) -> Tally:
    """The log-probabilities of a choice, summed up. What cannot be read counts as absent."""
    tally = Tally()
    try:
        logprobs = chat_logprobs.decode(raw)
    except msgspec.DecodeError:
        return tally
    if logprobs is not None and logprobs.content:
        sum_up(tally, logprobs.content)
    return tally


def sum_up(tally: Tally, entries: Sequence[TokenLogprob]) -> None:
    """Take the entries into a tally; those without a number are passed over."""
    if len(entries) == 1:  # as in the chunks of a stream
        if entries[0].logprob is not None:
            tally.add(entries[0].token, entries[0].logprob)
        return
    known = [entry for entry in entries if entry.logprob is not None]
    tally.extend([entry.token for entry in known], [entry.logprob or 0.0 for entry in known])


def _flaw(choice: _Choice) -> str | None:
    if choice.finish_reason == "content_filter":
        return "content_filter"
    message = choice.message
    if message is None:
        return None if choice.text else "empty"
    if message.refusal:
        return "refused"
    if not (message.content or message.tool_calls or message.function_call):
        return "empty"
    return None


def _without_logprobs(body: bytes, choices: list[_Choice]) -> bytes:
    for choice in choices:
        raw = bytes(choice.logprobs)
        if raw != b"null":
            body = without(body, raw)
    return body


def without(json: bytes, logprobs: bytes) -> bytes:
    """A JSON text with the value of its (first) `logprobs`, an object, replaced by null.

    That value holds bare quotes, so that it cannot also occur inside of a string.
    """
    # To look for the key and compare the rest is several times faster than to search for all of the value.
    start = json.find(_KEY) + len(_KEY)
    if not json.startswith(logprobs, start):
        return json.replace(logprobs, b"null", 1) if b'"token"' in logprobs else _rewritten(json)
    return b"null".join((json[:start], json[start + len(logprobs) :]))


def _rewritten(json: bytes) -> bytes:
    """For something odd in the place of log-probabilities, such as {}, which may well occur elsewhere too."""
    completion = msgspec.json.decode(json)
    for choice in completion["choices"]:
        choice["logprobs"] = None
    return msgspec.json.encode(completion)


def _size(choice: _Choice) -> int:
    content = choice.text if choice.message is None else choice.message.content
    return len(content) if isinstance(content, str) else 0
