"""Send what a verdict says: an answer, a stream up to its end or its breaking off, or an error."""

import asyncio
from time import monotonic
from typing import Final

from gateway.data.guard import Send, send_error
from gateway.errors import SHUTTING_DOWN, ApiError, Headers, error_body, retry_after_headers
from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.headers import explain
from gateway.exchange.stream import AnswerStream
from routing.words import Outcome
from serving.errors import Broken, Busy, NotAdmitted, RequestRejected, TimedOut, UpstreamError
from serving.whole import WholeAnswer

_EVENT_STREAM: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_EVENT_CODES: Final = {Broken.code: "upstream_stream_interrupted", TimedOut.code: "upstream_stream_timeout"}
"""What these are called in a stream, where they are no longer an answer's status."""


async def send_whole(exchange: Exchange, answer: WholeAnswer, send: Send) -> None:
    """Send a whole answer."""
    headers = explain(exchange)
    headers.append((b"content-type", b"application/json"))
    exchange.status = 200
    if exchange.head.answer_at_once is not None:
        exchange.head.answer_at_once(headers, answer.body)
        return
    headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def send_stream(exchange: Exchange, attempt: Attempt, stream: AnswerStream, send: Send) -> None:
    """Send a stream: what was held at once, the rest as it comes, and always an end that a client understands.

    The whole of it is judged at its end, for the record; nothing can be taken back by then.
    """
    exchange.status = 200
    exchange.committed_s = monotonic()
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [*explain(exchange), *_EVENT_STREAM]})
        is_over = False
        while not is_over:
            data = stream.take() or await stream.next()
            is_over = stream.has_ended
            await send({"type": "http.response.body", "body": data, "more_body": not is_over})
        if attempt.ended_s is None:
            stream.release()
            attempt.succeed()
    except UpstreamError as error:
        exchange.outcome = Outcome.INTERRUPTED
        stream.close()
        attempt.fail(error)
        await _send_last(send, stream.take() + _broken_off(error))
    except asyncio.CancelledError:
        stream.close()
        attempt.break_off()
        exchange.break_off()
        if exchange.head.departure.is_gone:
            raise
        await _send_last(send, error_event(SHUTTING_DOWN.body()))
    finally:
        stream.settle(exchange.gate_of(attempt), exchange.inquiry.size_bytes)


def error_event(body: bytes) -> bytes:
    """An error within a stream, and the end that clients wait for. A bare end would be taken for success."""
    return b"data: " + body + b"\n\ndata: [DONE]\n\n"


def _broken_off(error: UpstreamError) -> bytes:
    code = _EVENT_CODES.get(error.code, error.code)
    return error_event(error_body(str(error), type="upstream_error", code=code))


async def send_failure(exchange: Exchange, send: Send) -> None:
    """Send the error that is left when nobody answered, or when the request itself was refused."""
    error = failure_of(exchange)
    exchange.status = error.status
    await send_error(send, error, exchange.head.request_id, explain(exchange)[1:])


def failure_of(exchange: Exchange) -> ApiError:
    """The error that a client sees: that of the last attempt, which is what stands in the way now."""
    errors = [attempt.error for attempt in exchange.attempts if attempt.error is not None]
    if not errors:
        return ApiError(
            502, "the answer was not good enough, and no other model answered", type="api_error", code="upstream_error"
        )
    last = errors[-1]
    if isinstance(last, RequestRejected):
        status = last.upstream_status or 400
        return ApiError(status, str(last), type=last.type, code=last.error_code, param=last.param)
    waits = [error.retry_after_s for error in errors if error.retry_after_s is not None]
    headers = retry_after_headers(min(waits) if waits else None)
    if len(exchange.attempts) > 1 and not isinstance(last, Busy | NotAdmitted):
        # Two models were asked already; a client that tries again at once would multiply the load.
        headers.append((b"x-should-retry", b"false"))
    return ApiError(last.status, str(last), type=last.type, code=last.code, headers=headers)


async def _send_last(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": False})
