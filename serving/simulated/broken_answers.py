"""Faults in what the model says and counts: the protocol around it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from serving.simulated.answer import Answer, Called
from serving.simulated.asked import Endpoint
from serving.simulated.faults import Fault, FaultName
from serving.simulated.planning import Plan, Usage, with_answers

_REFUSAL: Final = Answer(tokens=(), refusal="I'm sorry, but I can't help with that. (simulated)")
_HALF_ARGUMENTS: Final = ('{"', "query", '":', ' "', "half a te")


def _slow(fault: Fault, plan: Plan) -> Plan:
    return replace(plan, gap_s=fault.number(500) / 1000)


def _abort(fault: Fault, plan: Plan) -> Plan:
    return _shorten(plan, fault, "abort", default=lambda answer: len(answer.tokens) // 2)


def _content_filter(fault: Fault, plan: Plan) -> Plan:
    return _shorten(plan, fault, "content_filter", default=lambda _answer: 0)


def _empty_answer(fault: Fault, plan: Plan) -> Plan:
    return _shorten(plan, fault, "stop", default=lambda _answer: 0)


def _shorten(plan: Plan, fault: Fault, finish_reason: str, *, default: Callable[[Answer], int]) -> Plan:
    answers = (
        Answer(tokens=answer.tokens[: fault.tokens_before(default(answer))], finish_reason=finish_reason)
        for answer in plan.answers
    )
    return with_answers(plan, tuple(answers))


def _refusal(_fault: Fault, plan: Plan) -> Plan:
    return with_answers(plan, (_REFUSAL,) * len(plan.answers))


def _broken_tool_call(_fault: Fault, plan: Plan) -> Plan:
    if plan.asked.endpoint is Endpoint.COMPLETIONS:  # which knows no tools
        return plan
    called = Called(name=plan.asked.tool or "simulated_tool", pieces=_HALF_ARGUMENTS)
    return with_answers(plan, (Answer(tokens=(), finish_reason="tool_calls", called=called),) * len(plan.answers))


def _no_choices(_fault: Fault, plan: Plan) -> Plan:
    return replace(plan, has_choices=False)


def _no_usage(_fault: Fault, plan: Plan) -> Plan:
    return replace(plan, usages=())


def _negative_usage(_fault: Fault, plan: Plan) -> Plan:
    return replace(plan, usages=(Usage(prompt=-7, completion=-3),))


def _duplicate_usage(_fault: Fault, plan: Plan) -> Plan:
    return replace(plan, usages=(Usage(prompt=1, completion=1), *plan.usages))


IN_ANSWER: Final[Mapping[FaultName, Callable[[Fault, Plan], Plan]]] = {
    FaultName.SLOW: _slow,
    FaultName.ABORT: _abort,
    FaultName.CONTENT_FILTER: _content_filter,
    FaultName.EMPTY_ANSWER: _empty_answer,
    FaultName.REFUSAL: _refusal,
    FaultName.BROKEN_TOOL_CALL: _broken_tool_call,
    FaultName.NO_CHOICES: _no_choices,
    FaultName.NO_USAGE: _no_usage,
    FaultName.NEGATIVE_USAGE: _negative_usage,
    FaultName.DUPLICATE_USAGE: _duplicate_usage,
}
