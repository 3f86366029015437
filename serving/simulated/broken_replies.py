"""Faults that stand in for the answer: the model has not said a word."""

import zlib
from collections.abc import Callable, Mapping
from typing import Final

from serving.simulated.asked import Asked, error_body
from serving.simulated.faults import Fault, FaultName
from serving.simulated.reply import DONE, EVENTS, JSON, Close, Kind, Reply, Reset, Send, Step, event, whole

REDIRECTED_PATH: Final = "/simulate/redirected"  # counted there is whoever follows
_HTML: Final = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><p>a simulated web page\n"
_BLOCK: Final = b"x" * 2**16


def error_event() -> Send:
    """Build the event by which a server tells inside a stream that it failed."""
    return event(error_body("simulated error inside the stream", status=500), Kind.FAULT)


def _refuse(_fault: Fault, _asked: Asked) -> Reply:
    return Reply(steps=(Reset(),))


def _close(_fault: Fault, _asked: Asked) -> Reply:
    return Reply(steps=(Close(),))


def _status(fault: Fault, _asked: Asked) -> Reply:
    status = int(fault.number(500))
    return whole(error_body(f"simulated error {status}", status=status), status=status)


def _too_many_requests(fault: Fault, _asked: Asked) -> Reply:
    wait = fault.argument or ("soon" if fault.name is FaultName.BAD_RETRY_AFTER else "1")
    body = error_body("simulated rate limit", status=429)
    return whole(body, status=429, headers={**JSON, "retry-after": wait})


def _redirect(fault: Fault, _asked: Asked) -> Reply:
    return Reply(status=302, headers={"location": fault.argument or REDIRECTED_PATH}, length=0)


def _html(_fault: Fault, _asked: Asked) -> Reply:
    return whole(_HTML, headers={"content-type": "text/html; charset=utf-8"})


def _empty(_fault: Fault, asked: Asked) -> Reply:
    return Reply(headers=EVENTS) if asked.is_stream else Reply(headers=JSON, length=0)


def _error_in_200(_fault: Fault, _asked: Asked) -> Reply:
    return whole(error_body("simulated error in a 200", status=500))


def _error_first_event(fault: Fault, asked: Asked) -> Reply:
    if not asked.is_stream:
        return _error_in_200(fault, asked)
    return Reply(headers=EVENTS, steps=(error_event(), DONE), has_early_head=True)


def _big_body(fault: Fault, asked: Asked) -> Reply:
    if asked.is_stream:
        return _big_line(fault, asked)
    start, end = _around_content(asked, "message")
    filling = _repeat(_BLOCK, int(fault.number(2**30)))
    return Reply(headers=JSON, steps=(Send(start, Kind.FAULT), *filling, Send(end, Kind.FAULT)))


def _big_line(fault: Fault, asked: Asked) -> Reply:
    if not asked.is_stream:
        return _big_body(fault, asked)
    start, end = _around_content(asked, "delta")
    filling = _repeat(_BLOCK, int(fault.number(50 * 2**20)))
    steps = (Send(b"data: " + start, Kind.FAULT), *filling, Send(end + b"\n\n", Kind.FAULT), DONE)
    return Reply(headers=EVENTS, steps=steps, has_early_head=True)


def _bomb(fault: Fault, asked: Asked) -> Reply:
    """Send a body of JSON's white space that is a thousand times smaller on the wire.

    Each fragment is flushed in full, so that it stands alone and one of them can be sent again and again.
    """
    packer = zlib.compressobj(9)
    head = packer.compress(b"{") + packer.flush(zlib.Z_FULL_FLUSH)
    fragment = packer.compress(b" " * 2**20) + packer.flush(zlib.Z_FULL_FLUSH)
    repeats = max(int(fault.number(2**30)) // 2**20, 1)
    headers = {**(EVENTS if asked.is_stream else JSON), "content-encoding": "deflate"}
    return Reply(headers=headers, steps=(Send(head, Kind.FAULT), *(Send(fragment, Kind.FAULT),) * repeats))


def _around_content(asked: Asked, key: str) -> tuple[bytes, bytes]:
    return f'{{"id":"{asked.answer_id}","choices":[{{"index":0,"{key}":{{"content":"'.encode(), b'"}}]}'


def _repeat(block: bytes, size: int) -> tuple[Step, ...]:
    """Return steps that send `size` bytes. They share one block: a huge body costs little memory here."""
    blocks, rest = divmod(size, len(block))
    return (Send(block, Kind.FAULT),) * blocks + (Send(block[:rest], Kind.FAULT),) * bool(rest)


INSTEAD: Final[Mapping[FaultName, Callable[[Fault, Asked], Reply]]] = {
    FaultName.REFUSE: _refuse,
    FaultName.CLOSE_REUSED: _close,
    FaultName.STATUS: _status,
    FaultName.TOO_MANY_REQUESTS: _too_many_requests,
    FaultName.BAD_RETRY_AFTER: _too_many_requests,
    FaultName.REDIRECT: _redirect,
    FaultName.HTML: _html,
    FaultName.EMPTY: _empty,
    FaultName.ERROR_IN_200: _error_in_200,
    FaultName.ERROR_FIRST_EVENT: _error_first_event,
    FaultName.BIG_LINE: _big_line,
    FaultName.BIG_BODY: _big_body,
    FaultName.BOMB: _bomb,
}
