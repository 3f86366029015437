"""Faults on the way: the answer is fine, but it does not get through, or arrives in an odd form."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from serving.simulated.asked import error_body
from serving.simulated.broken_replies import error_event
from serving.simulated.faults import Fault, FaultName
from serving.simulated.reply import DONE, FOR_EVER, Kind, Reply, Reset, Send, Step, Wait, event, whole

_GARBAGE: Final = b'{"id": "chatcmpl-simulated", "choices": [{"delta": {"con\xff'
_LINE_ENDS: Final = {"lf": b"\n", "cr": b"\r", "crlf": b"\r\n"}
_RAGGED_PAUSE: Final = Wait(0)  # lets each scrap leave by itself


def hang(fault: Fault, reply: Reply) -> Reply:
    """Wait before anything goes out."""
    return replace(reply, steps=(Wait(fault.number(FOR_EVER)), *reply.steps), has_early_head=False)


def headers_only_hang(fault: Fault, reply: Reply) -> Reply:
    """Wait after the headers."""
    return replace(reply, steps=(Wait(fault.number(FOR_EVER)), *reply.steps), has_early_head=True)


def _role_only_hang(fault: Fault, reply: Reply) -> Reply:
    return _insert(reply, reply.before(Kind.CONTENT), Wait(fault.number(FOR_EVER)))


def _hang_during(fault: Fault, reply: Reply) -> Reply:
    return _insert(reply, reply.before(Kind.CONTENT, fault.tokens_before(2)), Wait(FOR_EVER))


def _hang_after_done(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, steps=(*reply.steps, Wait(fault.number(FOR_EVER))))


def _cut(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, steps=(*_head(fault, reply), Reset()))


def _early_end(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, steps=_head(fault, reply))


def _garbage(fault: Fault, reply: Reply) -> Reply:
    return _insert(reply, _head(fault, reply), event(_GARBAGE, Kind.FAULT))


def _error_event(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, steps=(*_head(fault, reply), error_event(), DONE))


def _after_done(_fault: Fault, reply: Reply) -> Reply:
    again = tuple(step for step in reply.steps if isinstance(step, Send) and step.kind is Kind.CONTENT)
    return replace(reply, steps=(*reply.steps, *again, DONE))


def _ragged(fault: Fault, reply: Reply) -> Reply:
    """Send the same bytes in scraps, which end anywhere: inside a line, a token, a character."""
    size = int(fault.number(7))
    steps: list[Step] = []
    for step in reply.steps:
        if not isinstance(step, Send):
            steps.append(step)
            continue
        for start in range(0, len(step.data), size):
            steps += (Send(step.data[start : start + size], step.kind), _RAGGED_PAUSE)
    return replace(reply, steps=tuple(steps))


def _odd_framing(fault: Fault, reply: Reply) -> Reply:
    """Write the same events as the standard also allows: line ends, a byte order mark, comments, two data lines."""
    end = _LINE_ENDS[fault.argument or "crlf"]
    steps: list[Step] = [Send(b"\xef\xbb\xbf: simulated" + end + end, Kind.FAULT)]
    for step in reply.steps:
        if not isinstance(step, Send):
            steps.append(step)
            continue
        data = step.data.removeprefix(b"data: ").removesuffix(b"\n\n")
        # After the first comma JSON takes white space; a reader joins the two lines with a line feed.
        lines = (b": keep-alive", b"event: message", b"id: 1", b"data:" + data.replace(b",", b"," + end + b"data: ", 1))
        steps.append(Send(b"".join(line + end for line in (*lines, b"")), step.kind))
    return replace(reply, steps=tuple(steps))


def _insert(reply: Reply, head: tuple[Step, ...], step: Step) -> Reply:
    return replace(reply, steps=(*head, step, *reply.steps[len(head) :]))


def _head(fault: Fault, reply: Reply) -> tuple[Step, ...]:
    """Return the steps of a stream that go out before the fault; by default with half of the content."""
    return reply.before(Kind.CONTENT, fault.tokens_before(reply.count(Kind.CONTENT) // 2))


IN_STREAM: Final[Mapping[FaultName, Callable[[Fault, Reply], Reply]]] = {
    FaultName.HANG: hang,
    FaultName.HEADERS_ONLY_HANG: headers_only_hang,
    FaultName.ROLE_ONLY_HANG: _role_only_hang,
    FaultName.HANG_DURING: _hang_during,
    FaultName.HANG_AFTER_DONE: _hang_after_done,
    FaultName.CUT: _cut,
    FaultName.EARLY_END: _early_end,
    FaultName.GARBAGE: _garbage,
    FaultName.ERROR_EVENT: _error_event,
    FaultName.AFTER_DONE: _after_done,
    FaultName.RAGGED: _ragged,
    FaultName.ODD_FRAMING: _odd_framing,
}


def _whole_hang_during(_fault: Fault, reply: Reply) -> Reply:
    return _half(reply, Wait(FOR_EVER), length=reply.length)


def _whole_cut(_fault: Fault, reply: Reply) -> Reply:
    return _half(reply, Reset(), length=reply.length)


def _whole_early_end(_fault: Fault, reply: Reply) -> Reply:
    return _half(reply, length=None)


def _whole_garbage(_fault: Fault, _reply: Reply) -> Reply:
    return whole(_GARBAGE)


def _whole_error(_fault: Fault, _reply: Reply) -> Reply:
    return whole(error_body("simulated error in a 200", status=500))


def _half(reply: Reply, *then: Step, length: int | None) -> Reply:
    """Send half of the body: a whole answer has no tokens on the wire that could be counted."""
    steps = tuple(
        Send(step.data[: len(step.data) // 2], step.kind) if isinstance(step, Send) else step for step in reply.steps
    )
    return replace(reply, steps=(*steps, *then), length=length)


# What is not here only makes sense in a stream, and leaves a whole answer as it is.
IN_WHOLE: Final[Mapping[FaultName, Callable[[Fault, Reply], Reply]]] = {
    FaultName.HANG: hang,
    FaultName.HEADERS_ONLY_HANG: headers_only_hang,
    FaultName.ROLE_ONLY_HANG: headers_only_hang,
    FaultName.HANG_DURING: _whole_hang_during,
    FaultName.CUT: _whole_cut,
    FaultName.EARLY_END: _whole_early_end,
    FaultName.GARBAGE: _whole_garbage,
    FaultName.ERROR_EVENT: _whole_error,
    FaultName.RAGGED: _ragged,
}
