"""The wire guard: the outermost layer of the data plane, pure ASGI.

It gives every request its id, refuses what no endpoint should have to think about, and turns whatever an endpoint
raises into an error of the one shape. What arrives behind it has exactly one `Host`, at most 100 headers in 64 KiB,
at most one `Authorization`, and no declared body over the limit.
"""

import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import chain
from typing import Any, Final

from gateway.clock import Clock
from gateway.data.protocol import ANSWER_EXTENSION, EXTENSION, MAX_HEAD_BYTES, Departure
from gateway.data.request_id import RequestIds
from gateway.errors import INTERNAL_ERROR, SHUTTING_DOWN, ApiError, Headers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
MAX_HEADERS: Final = 100
HEAD_KEY: Final = "fallgate.head"
_CLOSE: Final = (b"connection", b"close")
_log = logging.getLogger(__name__)


class RequestHead:
    """What the guard has learnt of a request."""

    __slots__ = ("answer_at_once", "arrived_us", "departure", "headers", "request_id")

    def __init__(self, request_id: str, arrived_us: int, departure: Departure) -> None:
        self.request_id = request_id
        self.arrived_us = arrived_us
        self.departure = departure
        self.answer_at_once: Callable[[Headers, bytes], None] | None = None
        """Sends a whole answer in one piece, where the server can; see `WireProtocol`."""
        self.headers: dict[bytes, bytes] = {}
        """Names in lower case; of a repeated one the first."""


class WireGuard:
    """Wraps the data plane's application."""

    def __init__(self, app: AsgiApp, clock: Clock, on_refused: Callable[[], None]) -> None:
        """`on_refused` is called for every request that this layer answers itself."""
        self._app = app
        self._clock = clock
        self._ids = RequestIds()
        self._on_refused = on_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        now_us = self._clock()
        extensions = scope.get("extensions", {})
        departure = extensions.get(EXTENSION) or Departure()
        head = RequestHead(self._ids.new(now_us), now_us, departure)
        head.answer_at_once = extensions.get(ANSWER_EXTENSION)
        scope[HEAD_KEY] = head
        answer = _Answer(send)
        try:
            check_headers(scope["headers"], head.headers)
            await self._app(scope, receive, answer.send)
        except ApiError as error:
            self._on_refused()
            await send_error(answer.send, error, head.request_id)
        except CancelledError:
            if departure.is_gone:
                return
            if answer.has_started:
                raise
            await send_error(answer.send, SHUTTING_DOWN, head.request_id)  # the time to finish is over
        except Exception:  # the one place where anything may arrive: it is logged, and told as a 500
            _log.exception("request %s failed", head.request_id)
            if answer.has_started:
                raise
            await send_error(answer.send, INTERNAL_ERROR, head.request_id)


class _Answer:
    """Remembers whether an answer has begun."""

    __slots__ = ("_send", "has_started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False

    def send(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        self.has_started = True
        return self._send(message)


def check_headers(raw: list[tuple[bytes, bytes]], into: dict[bytes, bytes]) -> None:
    """Copy headers into a mapping; raise `ApiError` for those that no honest client sends."""
    if len(raw) > MAX_HEADERS:
        raise ApiError(431, f"the request has more than {MAX_HEADERS} headers", headers=[_CLOSE])
    into.update(reversed(raw))
    is_repeated = len(into) < len(raw)
    hosts = _count(raw, b"host") if is_repeated else (b"host" in into)
    if sum(map(len, chain.from_iterable(raw))) > MAX_HEAD_BYTES:
        raise ApiError(
            431, "the request's headers are larger than 64 KiB; send fewer or shorter ones", headers=[_CLOSE]
        )
    if hosts != 1:
        raise ApiError(400, f"the request must have exactly one Host header, not {hosts}", headers=[_CLOSE])
    if is_repeated and _count(raw, b"authorization") > 1:
        raise ApiError(
            401, "send one Authorization header", code="invalid_api_key", headers=[(b"www-authenticate", b"Bearer")]
        )
    if int(into.get(b"content-length", b"0")) > MAX_BODY_BYTES:
        raise body_too_large()


def _count(raw: list[tuple[bytes, bytes]], wanted: bytes) -> int:
    return sum(name == wanted for name, _ in raw)


def body_too_large() -> ApiError:
    """The 413, after which the connection is closed rather than read to its end."""
    return ApiError(
        413,
        f"the request's body is larger than {MAX_BODY_BYTES // 1024**2} MiB; shorten the messages",
        code="request_too_large",
        headers=[_CLOSE],
    )


async def send_error(send: Send, error: ApiError, request_id: str, extra: Headers | None = None) -> None:
    """Answer with an error."""
    body = error.body()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode()),
        *error.headers,
        *(extra or ()),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
