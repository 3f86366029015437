"""The answer flow: which model to ask next, and when to stop.

A generator. It yields a `Call`, is sent how the attempt ended, and returns a `Verdict`. It does no I/O and reads no
clock; the driver at the edge executes it, for whole answers and for streams alike.

    the arm's answer                          the fallback's             verdict
    good .................................... not asked                  served
    refused as a bad request ................ not asked                  rejected
    failed, doubtful or flawed .............. good                       fallback, with the reason
      the same, in any case ................. flawed, but committed      degraded: the fallback's
      the same, and it is still there ....... anything else              degraded: the arm's answer after all
      failed or abandoned ................... flawed                     degraded: the fallback's
      failed or abandoned ................... refused as a bad request   rejected
      failed or abandoned ................... failed                     failed
    failed, and no fallback for that ........ not asked                  failed
    flawed, and no fallback for that ........ not asked                  degraded
    doubtful, and no fallback for that ...... not asked                  served
"""

from routing.answer.outcomes import AnswerFlow, AttemptEnd, Call, Completed, Doubted, Failed, Rejected, Verdict
from routing.answer.policy import AnswerPolicy
from routing.words import ModelName, Outcome, Reason


def answer_flow(arm: ModelName, policy: AnswerPolicy) -> AnswerFlow:
    """The plot of one request that was assigned to `arm`."""
    first = yield Call(model=arm, number=1, is_last=policy.fallback is None)
    if isinstance(first, Rejected):
        return Verdict(outcome=Outcome.REJECTED, served=1, reason=None)
    reason = trouble_with(first, policy)
    if reason is None:
        return Verdict(outcome=Outcome.SERVED, served=1, reason=None)
    if policy.fallback is None or not policy.replaces(reason):
        return _without_fallback(first, reason)
    second = yield Call(model=policy.fallback, number=2, is_last=True)
    if isinstance(second, Completed) and second.flaw is None:
        return Verdict(outcome=Outcome.FALLBACK, served=2, reason=reason)
    if isinstance(second, Completed) and (second.is_committed or not isinstance(first, Completed)):
        return Verdict(outcome=Outcome.DEGRADED, served=2, reason=reason)
    if isinstance(first, Completed):
        return Verdict(outcome=Outcome.DEGRADED, served=1, reason=reason)
    if isinstance(second, Rejected):
        return Verdict(outcome=Outcome.REJECTED, served=2, reason=reason)
    return Verdict(outcome=Outcome.FAILED, served=None, reason=reason)


def trouble_with(end: AttemptEnd, policy: AnswerPolicy) -> Reason | None:
    """Why this end of the arm's attempt is not simply served; `None` when it is."""
    if isinstance(end, Failed):
        return end.reason
    if isinstance(end, Doubted):
        return Reason.LOW_CONFIDENCE
    if isinstance(end, Completed) and not end.is_committed:
        if end.flaw is not None:
            return Reason.INVALID
        if policy.acts_on_doubt and end.judgement is not None and end.judgement.is_doubtful:
            return Reason.LOW_CONFIDENCE
    return None


def _without_fallback(end: AttemptEnd, reason: Reason) -> Verdict:
    if isinstance(end, Completed):
        return Verdict(outcome=Outcome.DEGRADED, served=1, reason=reason)
    return Verdict(outcome=Outcome.FAILED, served=None, reason=reason)
