"""The answers that are compared beside requests: what an attempt said, and a judge who compares two."""

from gateway.background.calls import BackgroundCalls
from gateway.exchange.facts import Answer, Attempt, Exchange
from routing.audit.compare import Said
from routing.audit.judge import judge_messages, judged, request_text, verdict_in
from routing.audit.verdict import Comparison
from routing.words import ModelName, Result

_WITH_ANSWER = frozenset({Result.COMPLETED, Result.DOUBTED, Result.INVALID})


def said_in(attempt: Attempt) -> Said | None:
    """An attempt's answer; `None` where it brought none that is whole."""
    answer = attempt.answer
    return None if answer is None or attempt.result not in _WITH_ANSWER else said_by(answer)


def said_by(answer: Answer) -> Said:
    """An answer as it is compared."""
    return Said(text=answer.text, tool_calls=answer.tool_calls, flaw=answer.flaw)


async def ask_judge(
    calls: BackgroundCalls, judge: ModelName | None, exchange: Exchange, first: str, second: str
) -> Comparison:
    """Have a model compare two answers, in either order until it is clear. Raises `UpstreamError`."""
    assert judge is not None
    request = request_text(exchange.inquiry.body)
    verdicts: list[bool | None] = []
    for one, other in ((first, second), (second, first)):
        reply = await calls.judge(judge, judge_messages(request, one, other))
        verdicts.append(verdict_in(reply.text))
        found = judged(verdicts)
        if found is not None:
            return found
    raise AssertionError("two replies settle it")
