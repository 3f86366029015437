"""What is counted of an answer, for the arm that was to give it."""

from math import log2
from typing import Final

from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.observe import hard_gate
from routing.words import HardGate, Result

NO, YES = "no", "yes"
_NOT_COUNTED: Final = frozenset({Result.REJECTED, Result.CANCELLED})
"""The request was wrong, or nobody waited for the answer: that says nothing of the arm."""
_INVALID: Final = frozenset({HardGate.EMPTY, HardGate.INVALID_STRUCTURE})

Answer = tuple[dict[str, float], dict[str, str]]
"""Numbers and categories by the names of features; what an answer does not have is left out."""


def answer_of(exchange: Exchange, ended_s: float) -> Answer | None:
    """What a request that has ended says of its arm's answers; `None` where that is nothing.

    Whether the fallback was asked, and how long the client waited, is known of each. The rest is of the arm's own
    answer, whoever answered in the end.
    """
    attempts = exchange.attempts
    if not attempts or attempts[0].result in _NOT_COUNTED:
        return None
    arm = attempts[0]
    numbers = {"latency": log2(max(1.0, (ended_s - exchange.started_s) * 1000))}
    categories = {"fallback": YES if len(attempts) > 1 else NO}
    gate = hard_gate(arm)
    if gate is HardGate.TRANSPORT:
        return numbers, categories
    categories["refusal"] = YES if gate is HardGate.REFUSED else NO
    categories["invalid"] = YES if gate in _INVALID else NO
    if not _is_given_up(arm):
        categories["finish_reason"] = arm.finish_reason or "none"
        if arm.usage is not None:
            numbers["output_length"] = log2(1 + arm.usage.output)
    judgement = arm.late or arm.judgement
    if judgement is not None:
        if judgement.confidence is not None:
            numbers["confidence"] = judgement.confidence
        features = judgement.features
        if features is not None and features.mean_entropy is not None:
            numbers["entropy"] = features.mean_entropy
    return numbers, categories


def _is_given_up(arm: Attempt) -> bool:
    """Whether the answer was broken off in its hold, so that nobody knows how long it would have been."""
    return arm.result is Result.DOUBTED and arm.is_judged_by_prefix and arm.late is None
