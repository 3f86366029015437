"""The connections to one upstream: kept alive for a short while, the last used first."""

import asyncio
import ssl
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlsplit

from serving.errors import Unreachable
from serving.wire.connection import Connection

KEEP_ALIVE_S = 2.0
"""Below the idle timeout of any server in use (uvicorn's, and so vLLM's, is 5 s), so that a reused connection is
rarely one that the upstream is just closing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an upstream listens."""

    host: str
    port: int
    is_tls: bool
    host_header: str
    path: str
    """Path prefix of the base URL, without a trailing slash."""

    @classmethod
    def of(cls, base_url: str) -> "Origin":
        """Split a base URL such as `https://llm.example.com/v1`.

        Raises:
            ValueError: it is not an http or https URL with a host.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{parts.scheme}://… is not an http or https address")
        is_tls = parts.scheme == "https"
        default = 443 if is_tls else 80
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = parts.port or default
        return cls(
            host=parts.hostname,
            port=port,
            is_tls=is_tls,
            host_header=host if port == default else f"{host}:{port}",
            path=parts.path.rstrip("/"),
        )


class Pool:
    """Idle connections of one origin. Belongs to one event loop; how many are in use is bounded elsewhere."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._idle: list[Connection] = []
        self._ssl = ssl.create_default_context() if origin.is_tls else None
        self._sweeper: asyncio.TimerHandle | None = None

    def reuse(self) -> Connection | None:
        """An idle connection that is still fresh, or `None`."""
        now_s = monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_closed:
                continue
            if now_s - connection.idle_since_s > KEEP_ALIVE_S:
                connection.close()
                continue
            return connection
        return None

    async def connect(self, timeout_s: float) -> Connection:
        """A new connection. Raises `Unreachable`, without the address in its text."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), self.origin.host, self.origin.port, ssl=self._ssl
                )
        except TimeoutError as error:
            raise Unreachable("no connection to the model within the connect timeout") from error
        except ssl.SSLError as error:
            raise Unreachable("the TLS handshake with the model's server failed") from error
        except OSError as error:
            raise Unreachable("the model's server cannot be reached") from error
        return connection

    def put_back(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        connection.idle_since_s = monotonic()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._sweep)

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _sweep(self) -> None:
        """Close what nobody has used for a while; idle connections must not outlive their time unnoticed."""
        self._sweeper = None
        now_s = monotonic()
        fresh = []
        for connection in self._idle:
            if connection.is_closed or now_s - connection.idle_since_s >= KEEP_ALIVE_S:
                connection.close()
            else:
                fresh.append(connection)
        self._idle = fresh
        if fresh:
            self._sweeper = asyncio.get_running_loop().call_later(
                fresh[0].idle_since_s + KEEP_ALIVE_S - now_s + 0.01, self._sweep
            )
