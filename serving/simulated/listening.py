"""The listening socket and its connections, which are numbered and counted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from serving.simulated.seen import Seen

_MOST_BODY_BYTES: Final = 64 * 2**20
_KEEP_ALIVE_S: Final = 75.0  # longer than any client's, so that only `close_reused` closes under a request
_BACKLOG: Final = 1024

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection:
    """One connection of a client: its number, counted from 1, and how many requests it carried."""

    __slots__ = ("number", "requests", "transport")

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self.number = number
        self.requests = 0
        self.transport = transport

    def count_request(self) -> int:
        """Count one more request; return how many that makes."""
        self.requests += 1
        return self.requests


class Listener(web.Server):
    """An aiohttp server that follows its connections and cancels a handler whose client goes away."""

    def __init__(self, handler: Handler, seen: Seen) -> None:
        super().__init__(
            handler,
            request_factory=self._roomy_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE_S,
        )
        self._seen = seen
        self._followed: dict[RequestHandler, Connection] = {}
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self, host, port, backlog=_BACKLOG)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening, drop all connections and wait until their handlers have ended."""
        if self._server is not None:
            self._server.close()
        for connection in self._followed.values():
            connection.transport.abort()
        await self._seen.until(lambda seen: not seen.connections_open and not seen.in_flight)

    def connection(self, request: web.BaseRequest) -> Connection:
        """Return the connection that a request came on."""
        return self._followed[request.protocol]

    def _roomy_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        """Build the request as aiohttp does, but with room for a long prompt."""
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MOST_BODY_BYTES)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Number the connection. Called by aiohttp."""
        self._followed[handler] = Connection(self._seen.note_connection(), transport)
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget the connection. Called by aiohttp."""
        if self._followed.pop(handler, None) is not None:
            self._seen.note_closed()
        super().connection_lost(handler, exc)
