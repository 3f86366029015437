"""What each fault does: to the plan of an answer, to the reply made from it, or instead of both."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from serving.simulated.answer import Answer, Called
from serving.simulated.asked import Asked, Endpoint, error_body
from serving.simulated.draws import fraction
from serving.simulated.faults import Fault, FaultName
from serving.simulated.planning import Plan, Usage, plan_answer, with_answers, write_reply
from serving.simulated.reply import DONE, EVENTS, FOR_EVER, Kind, Reply, Reset, Send, Step, Wait, event, whole
from serving.simulated.script import DrawBy, ModelScript

REDIRECTED_PATH: Final = "/simulate/redirected"  # a test sees there whether somebody followed
_HTML: Final = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><p>a simulated web page\n"
_BLOCK: Final = b"x" * 65_536
_GARBAGE: Final = b'{"id": "chatcmpl-simulated", "choices": [{"delta": {"con\xff'


def choose_fault(script: ModelScript, asked: Asked) -> Fault | None:
    """Return the first fault of the script whose share the request falls into."""
    key = asked.request_id if script.draw_by is DrawBy.REQUEST_ID else asked.prompt_text
    for fault in script.faults:
        if fault.share == 1 or fraction(script.seed, "fault", fault.name, script.name, key) < fault.share:
            return fault
    return None


def respond(script: ModelScript, asked: Asked, fault: Fault | None, *, is_reused: bool = False) -> Reply:
    """Return the reply to a request, with the fault in it where there is one.

    is_reused: the connection carried a request before this one.
    """
    if fault is None or fault.name is FaultName.NONE or (fault.name is FaultName.CLOSE_REUSED and not is_reused):
        return write_reply(plan_answer(script, asked))
    if fault.name in _INSTEAD:
        return _INSTEAD[fault.name](fault, asked)
    plan = plan_answer(script, asked)
    if fault.name in _IN_PLAN:
        return write_reply(_IN_PLAN[fault.name](fault, plan))
    reply = write_reply(plan)
    return (_IN_STREAM if asked.is_stream else _IN_WHOLE).get(fault.name, _unchanged)(fault, reply)


def _status(fault: Fault, _asked: Asked) -> Reply:
    status = int(fault.number(500))
    return whole(error_body(f"simulated error {status}", status=status), status=status)


def _too_many_requests(fault: Fault, _asked: Asked) -> Reply:
    # The header holds whole seconds; a fraction is what some servers write all the same.
    value = fault.argument or ("soon" if fault.name is FaultName.BAD_RETRY_AFTER else "1")
    limited = _status(Fault(name=FaultName.STATUS, argument="429"), _asked)
    return replace(limited, headers={**limited.headers, "retry-after": value})


def _redirect(fault: Fault, _asked: Asked) -> Reply:
    return Reply(status=302, headers={"location": fault.argument or REDIRECTED_PATH}, length=0)


def _empty(_fault: Fault, asked: Asked) -> Reply:
    return Reply(headers=EVENTS) if asked.is_stream else Reply(headers={"content-type": "application/json"}, length=0)


def _error_first_event(_fault: Fault, asked: Asked) -> Reply:
    if not asked.is_stream:
        return whole(error_body("simulated error", status=500))
    return Reply(headers=EVENTS, steps=(_error_event(), DONE), has_early_head=True)


def _error_event() -> Send:
    return event(error_body("simulated error inside the stream", status=500), Kind.FAULT)


def _big_body(fault: Fault, asked: Asked) -> Reply:
    if asked.is_stream:
        return _big_line(fault, asked)
    start = f'{{"id":"{asked.answer_id}","choices":[{{"index":0,"message":{{"role":"assistant","content":"'.encode()
    steps = (Send(start, Kind.FAULT), *_filling(int(fault.number(2**30))), Send(b'"}}]}', Kind.FAULT))
    return Reply(headers={"content-type": "application/json"}, steps=steps)


def _big_line(fault: Fault, asked: Asked) -> Reply:
    if not asked.is_stream:
        return _big_body(fault, asked)
    start = f'data: {{"id":"{asked.answer_id}","choices":[{{"index":0,"delta":{{"content":"'.encode()
    size = int(fault.number(50 * 2**20))
    steps = (Send(start, Kind.FAULT), *_filling(size), Send(b'"}}]}\n\n', Kind.FAULT), DONE)
    return Reply(headers=EVENTS, steps=steps, has_early_head=True)


def _filling(size: int) -> tuple[Step, ...]:
    """Return steps that send `size` bytes; they all share one block, so that a huge body costs no memory here."""
    blocks, rest = divmod(size, len(_BLOCK))
    return (Send(_BLOCK, Kind.FAULT),) * blocks + (Send(_BLOCK[:rest], Kind.FAULT),) * bool(rest)


_Instead = Callable[[Fault, Asked], Reply]
_INSTEAD: Final[Mapping[FaultName, _Instead]] = {
    FaultName.REFUSE: lambda _fault, _asked: Reply(steps=(Reset(),)),
    FaultName.CLOSE_REUSED: lambda _fault, _asked: Reply(steps=(Reset(),)),
    FaultName.STATUS: _status,
    FaultName.TOO_MANY_REQUESTS: _too_many_requests,
    FaultName.BAD_RETRY_AFTER: _too_many_requests,
    FaultName.REDIRECT: _redirect,
    FaultName.HTML: lambda _fault, _asked: whole(_HTML, headers={"content-type": "text/html; charset=utf-8"}),
    FaultName.EMPTY: _empty,
    FaultName.ERROR_IN_200: lambda _fault, _asked: whole(error_body("simulated error in a 200", status=500)),
    FaultName.ERROR_FIRST_EVENT: _error_first_event,
    FaultName.BIG_LINE: _big_line,
    FaultName.BIG_BODY: _big_body,
}


def _each(change: Callable[[Fault, Answer], Answer]) -> Callable[[Fault, Plan], Plan]:
    return lambda fault, plan: with_answers(plan, tuple(change(fault, answer) for answer in plan.answers))


def _cut_answer(answer: Answer, tokens: int, finish_reason: str) -> Answer:
    return Answer(tokens=answer.tokens[:tokens], finish_reason=finish_reason)


def _broken_tool_call(plan: Plan) -> Plan:
    called = Called(name=plan.asked.tool or "simulated_tool", pieces=('{"', "query", '":', ' "', "half a te"))
    answer = Answer(tokens=(), finish_reason="tool_calls", called=called)
    return with_answers(plan, (answer,) * len(plan.answers)) if plan.asked.endpoint is Endpoint.CHAT else plan


_IN_PLAN: Final[Mapping[FaultName, Callable[[Fault, Plan], Plan]]] = {
    FaultName.SLOW: lambda fault, plan: replace(plan, gap_s=fault.number(500) / 1000),
    FaultName.ABORT: _each(
        lambda fault, answer: _cut_answer(answer, fault.tokens_before(len(answer.tokens) // 2), "abort")
    ),
    FaultName.CONTENT_FILTER: _each(
        lambda fault, answer: _cut_answer(answer, fault.tokens_before(0), "content_filter")
    ),
    FaultName.EMPTY_ANSWER: _each(lambda _fault, answer: _cut_answer(answer, 0, "stop")),
    FaultName.REFUSAL: _each(lambda _fault, _answer: Answer(tokens=(), refusal="I'm sorry, I can't help with that.")),
    FaultName.BROKEN_TOOL_CALL: lambda _fault, plan: _broken_tool_call(plan),
    FaultName.NO_CHOICES: lambda _fault, plan: replace(plan, has_choices=False),
    FaultName.NO_USAGE: lambda _fault, plan: replace(plan, usage=None),
    FaultName.NEGATIVE_USAGE: lambda _fault, plan: replace(plan, usage=Usage(prompt=-7, completion=-3)),
}


def _head(fault: Fault, reply: Reply) -> tuple[Step, ...]:
    """Return the steps of a stream that go out before the fault; by default with half of the content."""
    return reply.before(Kind.CONTENT, fault.tokens_before(reply.count(Kind.CONTENT) // 2))


def _garbage(fault: Fault, reply: Reply) -> Reply:
    head = _head(fault, reply)
    return replace(reply, steps=(*head, event(_GARBAGE, Kind.FAULT), *reply.steps[len(head) :]))


def _hang_during(fault: Fault, reply: Reply) -> Reply:
    head = reply.before(Kind.CONTENT, fault.tokens_before(2))
    return replace(reply, steps=(*head, Wait(FOR_EVER), *reply.steps[len(head) :]))


def _after_done(_fault: Fault, reply: Reply) -> Reply:
    again = tuple(step for step in reply.steps if isinstance(step, Send) and step.kind is Kind.CONTENT)
    return replace(reply, steps=(*reply.steps, *again, DONE))


def _duplicate_usage(_fault: Fault, reply: Reply) -> Reply:
    steps: list[Step] = []
    for step in reply.steps:
        if isinstance(step, Send) and step.kind is Kind.USAGE:
            smaller = b'"usage":{"prompt_tokens":1,"total_tokens":2,"completion_tokens":1}}'
            steps.append(Send(step.data[: step.data.index(b'"usage":')] + smaller + b"\n\n", Kind.USAGE))
        steps.append(step)
    return replace(reply, steps=tuple(steps))


def _hang(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, steps=(Wait(fault.number(FOR_EVER)), *reply.steps), has_early_head=False)


def _headers_only_hang(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, steps=(Wait(fault.number(FOR_EVER)), *reply.steps), has_early_head=True)


def _role_only_hang(fault: Fault, reply: Reply) -> Reply:
    head = reply.before(Kind.CONTENT)
    return replace(reply, steps=(*head, Wait(fault.number(FOR_EVER)), *reply.steps[len(head) :]))


def _unchanged(_fault: Fault, reply: Reply) -> Reply:
    return reply


_IN_STREAM: Final[Mapping[FaultName, Callable[[Fault, Reply], Reply]]] = {
    FaultName.HANG: _hang,
    FaultName.HEADERS_ONLY_HANG: _headers_only_hang,
    FaultName.ROLE_ONLY_HANG: _role_only_hang,
    FaultName.HANG_DURING: _hang_during,
    FaultName.CUT: lambda fault, reply: replace(reply, steps=(*_head(fault, reply), Reset())),
    FaultName.EARLY_END: lambda fault, reply: replace(reply, steps=_head(fault, reply)),
    FaultName.GARBAGE: _garbage,
    FaultName.ERROR_EVENT: lambda fault, reply: replace(reply, steps=(*_head(fault, reply), _error_event(), DONE)),
    FaultName.AFTER_DONE: _after_done,
    FaultName.DUPLICATE_USAGE: _duplicate_usage,
}


def _half(reply: Reply, *then: Step, length: int | None) -> Reply:
    """Return a whole reply of which only the first half of the body goes out."""
    *waits, body = reply.steps
    assert isinstance(body, Send)
    half = Send(body.data[: len(body.data) // 2], Kind.BODY)
    return replace(reply, steps=(*waits, half, *then), length=length)


# A whole answer has no tokens on the wire: the argument does not count, and half of the body goes out.
_IN_WHOLE: Final[Mapping[FaultName, Callable[[Fault, Reply], Reply]]] = {
    FaultName.HANG: _hang,
    FaultName.HEADERS_ONLY_HANG: _headers_only_hang,
    FaultName.ROLE_ONLY_HANG: _headers_only_hang,
    FaultName.HANG_DURING: lambda _fault, reply: _half(reply, Wait(FOR_EVER), length=reply.length),
    FaultName.CUT: lambda _fault, reply: _half(reply, Reset(), length=reply.length),
    FaultName.EARLY_END: lambda _fault, reply: _half(reply, length=None),
    FaultName.GARBAGE: lambda _fault, _reply: whole(_GARBAGE),
    FaultName.ERROR_EVENT: lambda _fault, _reply: whole(error_body("simulated error in a 200", status=500)),
}
