"""What an ASGI application cannot see: slow or endless heads, garbage, and the moment at which a client leaves.

uvicorn has no deadline for heads and bodies, no limit for heads, answers garbage in plain text, and tells an
application of a departure only if it happens to be listening. This is its protocol class with these four mended, and
without what this server never uses and every request would pay for: upgrades, root paths, limits of concurrency, and a
timer for every pause between two requests.
"""

import asyncio
from time import monotonic
from typing import Any, Final
from urllib.parse import unquote

from httptools import HttpParserError
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.clock import now_us
from gateway.data.request_id import new_request_id
from gateway.errors import ApiError, Headers

HEAD_TIMEOUT_S: Final = 10.0
BODY_TIMEOUT_S: Final = 60.0
WRITE_TIMEOUT_S: Final = 60.0
MAX_HEAD_BYTES: Final = 64 * 1024

_BAD_REQUEST = ApiError(400, "this is not a valid HTTP request")
_HEAD_TOO_LARGE = ApiError(431, "the request's headers are larger than 64 KiB; send fewer or shorter ones")
_TOO_SLOW = ApiError(408, "the request did not arrive in time; send it without pauses", code="request_timeout")
EXTENSION: Final = "fallgate.departure"
ANSWER_EXTENSION: Final = "fallgate.answer_at_once"


_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


def _path(raw: bytes) -> str:
    """The path of a request target, decoded. An absolute target (RFC 9112 section 3.2.2) loses scheme and host."""
    path = raw.decode("ascii")
    if not path.startswith("/"):
        scheme, _, rest = path.partition("://")
        if not rest:
            raise HttpParserError(f"not a path: {scheme}")
        path = "/" + rest.partition("/")[2]
    return unquote(path) if "%" in path else path


class Departure:
    """Whether the client of one connection has left. The task that answers it is cancelled at that moment."""

    __slots__ = ("is_gone",)

    def __init__(self) -> None:
        self.is_gone = False


class WireProtocol(HttpToolsProtocol):
    """One client connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._departure = Departure()
        self._extensions: dict[str, Any] = {EXTENSION: self._departure, ANSWER_EXTENSION: self._answer_at_once}
        self._answering: asyncio.Task[None] | None = None
        self._answered: RequestResponseCycle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._rests_since_s = 0.0
        self._head_bytes = 0
        self._has_head = True  # between requests; a fresh connection owes its first head from the start

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._has_head = False
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._deadline, self._writing, self._resting):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        task, answered = self._answering, self._answered
        if task is not None and answered is not None and not task.done() and not answered.response_complete:
            self._departure.is_gone = True
            answered.disconnected = True  # as uvicorn does for the last request of a pipeline only
            task.cancel()
        # What refers to this object and is referred to by it would wait for the collector, which hardly ever comes.
        self._extensions = {}
        self._answering = self._answered = None
        self.scope = self.cycle = None  # type: ignore[assignment]
        self.pipeline.clear()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._has_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_HEAD_TOO_LARGE)
                return
        self._watch_arrival()

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._has_head = False
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._has_head = True
        parser = self.parser
        version = parser.get_http_version()
        if len(self.url) > MAX_HEAD_BYTES:
            raise HttpParserError("the address is too long")
        path, _, query = self.url.partition(b"?")
        scope: Any = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": "http",
            "server": self.server,
            "client": self.client,
            "path": _path(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "extensions": self._extensions,
        }
        self.scope = scope
        self._begin_cycle(scope, keeps_alive=version != "1.0" and parser.should_keep_alive())

    def _begin_cycle(self, scope: Any, *, keeps_alive: bool) -> None:
        before = self._current
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keeps_alive,
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # pipelined: its turn comes when the one before is answered
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.more_body = False
        cycle.message_event.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._rests_since_s = monotonic()
        if self._resting is None:
            self._resting = self.loop.call_later(self.timeout_keep_alive, self._rest)

    def _rest(self) -> None:
        """Close a connection that has been idle for long. One timer watches over all of its pauses, one after another:
        setting and cancelling one for each would cost more than most of what is done for a request.
        """
        self._resting = None
        if self.transport.is_closing():
            return
        cycle = self._current
        left_s = self._rests_since_s + self.timeout_keep_alive - monotonic()
        is_idle = self._has_head and (cycle is None or cycle.response_complete)
        if is_idle and left_s <= 0:
            self.transport.close()
        else:
            self._resting = self.loop.call_later(max(left_s, 1.0), self._rest)

    def send_400_response(self, msg: str) -> None:
        self._refuse(_BAD_REQUEST)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self.loop.call_later(WRITE_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    @property
    def _current(self) -> RequestResponseCycle | None:
        return self.cycle  # declared without None, and None until the first request

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answered = cycle
        task = self._answering = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _answer_at_once(self, headers: Headers, body: bytes) -> None:
        """Answer with status 200 and a whole body, in one piece.

        What two messages through ASGI come to, at a fraction of the cost. The headers are the gateway's own, made of
        closed sets and checked names, so they are not searched for line ends again.
        """
        cycle = self._answered
        if cycle is None or cycle.disconnected or self.transport.is_closing():
            return
        parts = [b"%s: %s\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (b"".join(parts), len(body), body))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def _watch_arrival(self) -> None:
        """Arm a deadline while a request is incomplete. One that comes in a single piece never needs a timer."""
        cycle = self._current
        is_arriving = not self._has_head or (cycle is not None and cycle.more_body and not cycle.response_complete)
        if self._deadline is not None and (not is_arriving or self._has_head):
            self._deadline.cancel()
            self._deadline = None
        if is_arriving and self._deadline is None and not self.transport.is_closing():
            timeout_s = BODY_TIMEOUT_S if self._has_head else HEAD_TIMEOUT_S
            self._deadline = self.loop.call_later(timeout_s, self._expire)

    def _expire(self) -> None:
        cycle = self._current
        if self._has_head and cycle is not None and cycle.response_complete:
            self.transport.close()  # the rest of a request that was refused long ago
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, error: ApiError) -> None:
        """Answer for the application, in its own shape, and close."""
        if self.transport.is_closing():
            return
        answered = self._answered
        is_next = answered is self._current  # of pipelined requests the one in trouble need not be
        if answered is None or answered.response_complete or (is_next and not answered.response_started):
            body = error.body()
            self.transport.write(
                STATUS_LINE[error.status]
                + b"content-type: application/json\r\nconnection: close\r\nx-request-id: "
                + b"%s\r\ncontent-length: %d\r\n\r\n%s" % (new_request_id(now_us()).encode(), len(body), body)
            )
        self.transport.close()
