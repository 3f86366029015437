"""The log-probabilities of a stream: which of them are the answer's, gathered and summed up now and then."""

from typing import Any, Final

from routing.confidence.features import Features
from routing.confidence.reasoning import answer_start
from routing.confidence.tally import Tally
from serving.logprobs import read_all_logprobs, read_logprobs

_GATHERED: Final = 32
"""Chunks that are read together, which is quicker than one by one; more would be more memory for no gain."""
_MARK: Final = b'"top_logprobs"'
"""Stands once in each token's entry, and never within a string, where its quotes would have a backslash."""


class StreamTokens:
    """The tokens of one answer. Those of reasoning, which comes in deltas of its own, are left out.

    Between reasoning and answer there are chunks without any text, of the marks that divide them:

        delta      {}        reasoning   {}         content   content   ""
        token      <think>   Hm          </think>   Yes       .         <|im_end|>
        counts                                      yes       yes       yes
    """

    __slots__ = ("_has_answer", "_has_reasoning", "_is_json", "_pending", "_tally")

    def __init__(self, *, is_json: bool) -> None:
        """`is_json`: the request asked for JSON."""
        self._tally = Tally(is_json=is_json)
        self._is_json = is_json
        self._pending: list[bytes] = []
        self._has_reasoning = False
        self._has_answer = False

    def take(self, delta: Any, logprobs: bytes) -> int:
        """Take in the `logprobs` of one chunk beside its delta, both as the reader of chunks has them.

        Returns:
            How many tokens it has.
        """
        count = logprobs.count(_MARK) or len(read_logprobs(logprobs))
        if self._has_answer and not (delta.reasoning or delta.reasoning_content):
            self._pending.append(logprobs)
            if len(self._pending) >= _GATHERED:
                self._gather()
        else:
            self._take_in_front(delta, logprobs)
        return count

    def sum_up(self, *, is_cut: bool, is_valid: bool | None) -> Features | None:
        """The features so far; `None` until the answer has begun."""
        if not self._has_answer:
            return None
        self._gather()
        return self._tally.sum_up(is_cut=is_cut, is_valid=is_valid)

    def _gather(self) -> None:
        if self._pending:
            self._tally.extend(read_all_logprobs(self._pending))
            self._pending.clear()

    def _take_in_front(self, delta: Any, logprobs: bytes) -> None:
        """As long as it is not clear that the answer has begun, or when there is reasoning again."""
        reasoning = delta.reasoning or delta.reasoning_content
        is_call = bool(delta.tool_calls or delta.function_call)
        if reasoning:
            self._has_reasoning = True
            if not self._has_answer:
                self._pending.clear()  # the mark in front of it
        if is_call and not self._has_answer and self._is_json:
            # The request asked for JSON, and the answer is a call, whose tokens are none of such a text.
            self._tally = Tally()
        if not (delta.content or is_call):
            if not self._has_reasoning:
                self._pending.append(logprobs)
            return
        if self._has_reasoning:
            self._take_boundary(str(reasoning or ""), delta.content, logprobs)
        else:
            self._pending.append(logprobs)
        self._has_answer = True

    def _take_boundary(self, reasoning: str, content: object, logprobs: bytes) -> None:
        """A chunk of several tokens may hold the end of the reasoning and the start of the answer."""
        entries = read_logprobs(logprobs)
        answer = content if isinstance(content, str) else None
        start = answer_start([entry.token for entry in entries], reasoning, answer)
        self._gather()
        if start is None:
            self._tally.give_up()
        else:
            self._tally.extend(entries[start:])
