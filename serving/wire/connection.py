"""One HTTP/1.1 connection to an upstream, parsed by llhttp (httptools).

A connection carries one exchange at a time: `send` a request, await `head`, then `read` or `read_all`, then `release`.
General clients spend several times as much CPU on a call as this does; `docs/performance.md` has the figures.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

from serving.errors import Broken, Malformed, StaleConnection, TimedOut, UpstreamError

MAX_HEAD_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""A whole answer larger than this is no answer."""
_PAUSE_AT_BYTES = 1024 * 1024
_MAX_DRAIN_BYTES = 256 * 1024
_KEPT_HEADERS = (b"content-type", b"retry-after", b"retry-after-ms")


class Connection(asyncio.Protocol):
    """A connection and the answer that is being read from it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.headers: dict[bytes, bytes] = {}
        """The few headers of the answer that mean something to the gateway, names in lower case."""
        self.status = 0
        self.is_complete = False
        self.is_closed = False
        self.is_reused = False
        self.idle_since_s = 0.0
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._wants_all = False
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._head_bytes = 0
        self._has_head = False
        self._has_length = False
        self._is_silent = True
        self._keeps_alive = False
        self._is_busy = False
        self._is_discarding = False
        self._error: UpstreamError | None = None
        self._on_drained: Callable[[Connection], None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # --- an exchange, as its user sees it

    def send(self, request: bytes, deadline_s: float) -> None:
        """Send a request, head and body in one piece. Must be followed by `head`.

        At `deadline_s`, a time of the loop's clock, the exchange fails as `TimedOut`, unless the deadline was lifted.
        """
        assert self._transport is not None
        self._deadline = self._loop.call_at(deadline_s, self._time_out)
        self.headers = {}
        self.status = 0
        self.is_complete = False
        self._chunks = []
        self._buffered = self._head_bytes = 0
        self._has_head = self._has_length = False
        self._is_silent = True
        self._is_busy = True
        self._transport.write(request)

    async def head(self) -> None:
        """Wait for status and headers.

        Raises:
            StaleConnection: a reused connection was closed before a byte of the answer.
            UpstreamError: any other end.
        """
        while not self._has_head:
            await self._wait()

    def lift_deadline(self) -> None:
        """Let the rest of the answer take the time it takes."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    @property
    def has_bytes(self) -> bool:
        """Whether `read` returns at once."""
        return bool(self._chunks) or self.is_complete

    async def read(self) -> bytes:
        """The next bytes of the body, or `b""` at its end."""
        while not self._chunks:
            if self.is_complete:
                return b""
            await self._wait()
        return self._take()

    async def read_until(self, deadline_s: float) -> bytes | None:
        """Like `read`, but gives up at a time of the loop's clock and then returns `None`; nothing is lost."""
        if self._chunks or self.is_complete:
            return await self.read()
        timer = self._loop.call_at(deadline_s, self._wake)
        try:
            await self._wait()
        finally:
            timer.cancel()
        if self._chunks:
            return self._take()
        return b"" if self._is_at_end() else None

    async def read_all(self) -> bytes:
        """The whole body. Raises `Malformed` for one that is out of all proportion."""
        self._wants_all = True
        try:
            while not self.is_complete:
                await self._wait()
        finally:
            self._wants_all = False
        return self._take()

    def release(self, put_back: Callable[["Connection"], None]) -> None:
        """Be done with the answer: hand the connection back, once what is left of the answer has come.

        Saying so twice is harmless; a connection that were handed back twice would serve two requests at once.
        """
        if not self._is_busy:
            return
        if self.is_closed or self.is_complete:
            self._finish(put_back)
            return
        self._is_discarding = True
        self._on_drained = put_back
        self._buffered = 0
        self._loop.call_later(1.0, self._give_up_draining)

    def close(self) -> None:
        """Close at once: what the upstream is still making is not wanted any more."""
        self.is_closed = True
        self.lift_deadline()
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if not self._is_busy:
            self.close()  # an answer to nothing
            return
        self._is_silent = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.is_complete:
                self._fail(Malformed("the upstream did not answer in HTTP"))
                return
            self.is_closed = True
        if self._has_head and (not self._wants_all or self.is_complete):
            self._wake()
        if self._buffered > _PAUSE_AT_BYTES:
            self._bound()
        if self.is_complete and self._on_drained is not None:
            self._finish(self._on_drained)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        # The parser refers to this object: together they would wait for the collector, which hardly ever comes.
        del self._parser
        if not self._is_busy or self.is_complete:
            return
        if self._has_head and not self._has_length and exc is None:
            self.is_complete = True  # such a body ends with its connection (RFC 9112 section 6.3)
            self._wake()
        elif self.is_reused and self._is_silent:
            self._fail(StaleConnection("the upstream closed a connection that was kept alive"))
        else:
            self._fail(Broken("the upstream closed the connection before its answer was complete"))

    # --- httptools

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.is_closed = True  # a second answer to one request: the next one must not get it

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_complete:
            return
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(Malformed("the upstream sent too many headers"))
        elif not self._has_head:
            name = name.lower()
            if name in _KEPT_HEADERS:
                self.headers[name] = value
            elif name in (b"content-length", b"transfer-encoding"):
                self._has_length = True

    def on_headers_complete(self) -> None:
        if self.is_complete:
            return
        self.status = self._parser.get_status_code()
        self._keeps_alive = self._parser.should_keep_alive()
        self._has_head = self.status >= 200

    def on_body(self, body: bytes) -> None:
        self._buffered += len(body)
        if not self._is_discarding and not self.is_complete:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._has_head:  # not so for an interim answer, such as 100 Continue
            self.is_complete = True

    # --- inside

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None and not self._chunks:
            raise self._error

    def _is_at_end(self) -> bool:
        return self.is_complete

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> bytes:
        chunks = self._chunks
        self._chunks = []
        if self._buffered > _PAUSE_AT_BYTES and self._transport is not None and not self.is_closed:
            self._transport.resume_reading()
        self._buffered = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _fail(self, error: UpstreamError) -> None:
        if self._error is None:
            self._error = error
        self.close()
        self._wake()

    def _bound(self) -> None:
        """Keep memory bounded: a whole answer has a size limit, a stream waits until it is read."""
        if self._is_discarding:
            if self._buffered > _MAX_DRAIN_BYTES:
                self.close()
        elif self._wants_all:
            if self._buffered > MAX_ANSWER_BYTES:
                self._chunks.clear()
                self._fail(Malformed("the upstream's answer is too large"))
        elif self._transport is not None and not self.is_closed:
            self._transport.pause_reading()

    def _time_out(self) -> None:
        self._deadline = None
        if not self.is_complete:
            self._fail(TimedOut("the model did not answer in time"))

    def _finish(self, put_back: Callable[["Connection"], None]) -> None:
        self.lift_deadline()
        self._on_drained = None
        self._is_discarding = False
        self._is_busy = False
        self._buffered = 0
        if self.is_closed or not self._keeps_alive:
            self.close()
        else:
            self.is_reused = True
            put_back(self)

    def _give_up_draining(self) -> None:
        if self._is_discarding:
            self.close()
