"""One model as the data plane sees it: where it is, whether it may be asked, and a call to it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Literal

from routing.resilience.breaker import Breaker
from routing.words import ModelName
from serving.errors import NotAdmitted, StaleConnection, TimedOut, Unreachable, UpstreamError
from serving.usage import PromptScale
from serving.wire.connection import Connection
from serving.wire.pool import Origin, Pool

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What makes it the same upstream in the next snapshot."""

    provider: Literal["vllm", "openai"]
    base_url: str
    model: str
    """The name the upstream knows."""
    api_key: str | None = field(repr=False)


class Upstream:
    """A model behind an OpenAI-compatible server, its connections and its breaker."""

    def __init__(self, name: ModelName, address: Address, breaker: Breaker) -> None:
        """Raises `ValueError` for a base URL that is not http or https."""
        self.name = name
        self.address = address
        self.breaker = breaker
        self.prompts = PromptScale()
        """By which a request's tokens are estimated where it did not report them."""
        origin = Origin.of(address.base_url)
        self._pool = Pool(origin)
        self._trouble: str | None = None
        """What it failed of last, by its code; told once, until something else happens."""
        api_key = address.api_key
        authorization = f"authorization: Bearer {api_key}\r\n" if api_key else ""
        self._heads: Mapping[str, bytes] = {
            path: (
                f"POST {origin.path}{path} HTTP/1.1\r\nhost: {origin.host_header}\r\n{authorization}"
                "content-type: application/json\r\naccept: application/json, text/event-stream\r\n"
                "accept-encoding: identity\r\nuser-agent: fallgate\r\n"
            ).encode()
            for path in ("/chat/completions", "/completions")
        }

    def admit(self, now_s: float) -> None:
        """Raise `NotAdmitted` when the model is not to be asked now."""
        if not self.breaker.admits(now_s):
            raise NotAdmitted("the model has failed too often lately", retry_after_s=self.breaker.retry_after_s(now_s))

    async def open(
        self,
        path: str,
        body: bytes,
        *,
        headers: bytes,
        connect_s: float,
        deadline_s: float,
        on_sent: Callable[[], object] = bool,
    ) -> Connection:
        """Send a request, and wait for status and headers of its answer. `on_sent` is called in between.

        `headers` are those of this one request, see `headers_of`.

        A kept-alive connection that the upstream closes before any byte of an answer cost nothing and proves nothing:
        the request is then sent once more, over a fresh one. The connection is the caller's until it is released or
        closed. At `deadline_s` of the monotonic clock it fails as `TimedOut`, until the deadline is lifted.

        Raises:
            UpstreamError: there is no answer; nothing is left open.
        """
        request = b"%s%scontent-length: %d\r\n\r\n%s" % (self._heads[path], headers, len(body), body)
        connection = self._pool.reuse()
        if connection is not None:
            try:
                return await _headed(connection, request, deadline_s, on_sent)
            except StaleConnection:
                pass
        return await _headed(await self._connect(connect_s, deadline_s), request, deadline_s, on_sent)

    async def _connect(self, connect_s: float, deadline_s: float) -> Connection:
        left_s = deadline_s - monotonic()
        try:
            return await self._pool.connect(min(connect_s, left_s))
        except Unreachable as error:
            if left_s < connect_s and monotonic() >= deadline_s:
                raise TimedOut("there was no connection to the model in time") from error
            raise

    def release(self, connection: Connection) -> None:
        """Give a connection back; it is used again if its answer ended well."""
        connection.release(self._pool.put_back)

    def note(self, error: UpstreamError | None, now_s: float) -> None:
        """Tell the breaker how an attempt ended, and the log where that is news."""
        if error is None or not error.is_upstreams_fault:
            if not isinstance(error, NotAdmitted):
                self.breaker.succeeded()
                if self._trouble is not None:
                    self._trouble = None
                    _log.info("model %s answers again", self.name)
            return
        if error.code != self._trouble:
            self._trouble = error.code
            _log.warning("model %s at %s: %s%s", self.name, self.address.base_url, error, _hint(error, self.address))
        if error.retry_after_s is not None:
            self.breaker.cools_down(now_s, error.retry_after_s)
        else:
            self.breaker.failed(now_s)


def headers_of(request_id: str, trace: bytes = b"") -> bytes:
    """The lines of headers that differ from one request to the next: its id, and lines that name its trace."""
    return b"x-request-id: %s\r\n%s" % (request_id.encode(), trace)


def _hint(error: UpstreamError, address: Address) -> str:
    """What its server answered, and what that mostly comes from."""
    if error.upstream_status is None:
        return ""
    status = f" (status {error.upstream_status})"
    if error.upstream_status != HTTPStatus.NOT_FOUND:
        return status
    if not address.base_url.endswith("/v1"):
        return f"{status}; base_url does not end in /v1"
    return f"{status}; is {address.model!r} the name that this server has for it?"


async def _headed(
    connection: Connection, request: bytes, deadline_s: float, on_sent: Callable[[], object]
) -> Connection:
    connection.send(request, deadline_s)
    on_sent()
    has_head = False
    try:
        await connection.head()
        has_head = True
    finally:
        if not has_head:
            connection.close()
    return connection
