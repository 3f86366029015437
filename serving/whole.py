"""Read a whole chat or text completion: is it an answer, what is it worth, and what must the client not see of it."""

from typing import Any

import msgspec

from routing.confidence.features import Features
from routing.confidence.reasoning import answer_start
from routing.confidence.tally import Tally
from routing.cost.prices import Usage
from serving.errors import ErrorInstead, Faulted, Malformed
from serving.logprobs import NULL, Rewrite, TokenLogprob, read_logprobs
from serving.said import call_texts, calls_in, text_of
from serving.structure import Structure
from serving.usage import usage_of

INVALID_STRUCTURE = "invalid_structure"
"""The flaw of an answer that is not what the request asked for."""
_ABORTED = ("abort", "error")
"""Finish reasons with which vLLM ends answers that it could not finish; clients take them for success."""


class _Message(msgspec.Struct):
    content: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: Any = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = NULL


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: Any = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_answer = msgspec.json.Decoder(_Answer)


class WholeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed answer."""

    body: bytes
    """As the client shall get it."""
    flaw: str | None
    """`empty`, `refused`, `content_filter` or `invalid_structure`: nothing a user can do anything with."""
    finish_reason: str | None
    features: Features | None
    usage: Usage | None
    output_tokens_seen: int
    """A count for when there is no usage: log-probabilities if there are any, otherwise by size."""
    answer_id: str | None
    """The upstream's own name for it."""
    first: _Choice
    """The first choice, as it was parsed."""

    @property
    def text(self) -> str | None:
        """What it says, or the calls of tools as JSON; `None` where it says nothing."""
        message = self.first.message
        if message is None:
            return text_of(self.first.text, ())
        return text_of(message.content, calls_in(message))

    @property
    def tool_calls(self) -> tuple[tuple[str, str], ...]:
        """Name and arguments of each tool call in it."""
        return () if self.first.message is None else call_texts(calls_in(self.first.message))


def read_whole(
    body: bytes, *, judges: bool, rewrite: Rewrite | None = None, structure: Structure | None = None
) -> WholeAnswer:
    """Take an upstream's 200 apart.

    Args:
        body: what the upstream sent.
        judges: the features of the (single) choice are wanted.
        rewrite: what becomes of log-probabilities before the client gets them.
        structure: what the client asked for.

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
    choices = answer.choices
    if not choices:
        raise Malformed("the model's answer has no choices", upstream_status=200)
    first = choices[0]
    is_single = len(choices) == 1
    if first.finish_reason in _ABORTED or (not is_single and any(each.finish_reason in _ABORTED for each in choices)):
        raise Faulted("the model's server aborted its answer", upstream_status=200)
    is_json, is_valid = _structured(first, structure) if structure is not None and is_single else (False, None)
    entries = read_logprobs(first.logprobs) if judges and is_single else []
    return WholeAnswer(
        body=body if rewrite is None else _rewritten(body, choices, rewrite),
        flaw=_flaw(first) or (INVALID_STRUCTURE if is_valid is False else None),
        finish_reason=first.finish_reason,
        features=_features(first, entries, is_json=is_json, is_valid=is_valid) if entries else None,
        usage=usage_of(answer.usage),
        output_tokens_seen=len(entries) or _size(first) // 4,
        answer_id=answer.id if isinstance(answer.id, str) else None,
        first=first,
    )


def check_text(json: bytes) -> None:
    """Raise `UnicodeDecodeError` for what is not UTF-8: parts that nobody here reads are passed over unchecked."""
    if not json.isascii():
        json.decode()


def _features(choice: _Choice, entries: list[TokenLogprob], *, is_json: bool, is_valid: bool | None) -> Features | None:
    message = choice.message
    if message is not None and (reasoning := message.reasoning_content or message.reasoning):
        tokens = [entry.token for entry in entries]
        start = answer_start(tokens, str(reasoning), _text(message.content))
        if start is None:
            return None
        entries = entries[start:]
    tally = Tally(is_json=is_json)
    tally.extend(entries)
    return tally.sum_up(is_cut=choice.finish_reason == "length", is_valid=is_valid)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _structured(choice: _Choice, structure: Structure) -> tuple[bool, bool | None]:
    """Whether the answer's text is to be JSON, and whether the structure asked for is there."""
    if choice.message is None:
        return False, None
    calls = calls_in(choice.message)
    return structure.wants_json and not calls, structure.is_in(choice.message.content, calls)


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


def _rewritten(body: bytes, choices: list[_Choice], rewrite: Rewrite) -> bytes:
    for choice in choices:
        raw = bytes(choice.logprobs)
        if raw != b"null":
            body = rewrite(body, raw)
    return body


def _size(choice: _Choice) -> int:
    content = choice.text if choice.message is None else choice.message.content
    return len(content) if isinstance(content, str) else 0
