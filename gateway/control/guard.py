"""The outermost layer of the admin API, pure ASGI: nobody gets past it without a key, but to ask whether it lives.

What is not listed here needs the scope `admin`, so that a new endpoint is closed until somebody opens it.
"""

import logging
from asyncio import CancelledError
from collections.abc import Callable, MutableMapping
from typing import Any

from gateway.clock import Clock
from gateway.data.guard import AsgiApp, Receive, Scope, Send, check_headers, send_error
from gateway.data.protocol import EXTENSION, Departure
from gateway.data.request_id import new_request_id
from gateway.errors import INTERNAL_ERROR, ApiError
from gateway.identity import KeyRing
from gateway.snapshot.document import KeyEntry

OPEN_PATHS = frozenset({"/livez", "/readyz"})
METRICS_PATH = "/metrics"
KEY = "fallgate.key"
"""Where the scope of a request holds the `KeyEntry` that asks."""

_HERE = Departure()

log = logging.getLogger(__name__)


class AdminGuard:
    """Wraps the application: request ids, headers, keys, and errors of the one shape."""

    def __init__(self, app: AsgiApp, clock: Clock, keys: Callable[[], KeyRing | None]) -> None:
        """`keys` gives those of the snapshot in force; `None` before there is one."""
        self._app = app
        self._clock = clock
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_request_id(self._clock())
        answer = _Answer(send, request_id)
        try:
            headers: dict[bytes, bytes] = {}
            check_headers(scope["headers"], headers)
            if scope["path"] not in OPEN_PATHS:
                scope[KEY] = self._admit(scope["path"], headers.get(b"authorization"))
            await self._app(scope, receive, answer.send)
        except ApiError as error:
            await send_error(send, error, request_id)
        except CancelledError:
            if not scope.get("extensions", {}).get(EXTENSION, _HERE).is_gone:
                raise
        except Exception:  # the one place where anything may arrive: it is logged, and told as a 500
            log.exception("request %s failed", request_id)
            if not answer.has_started:
                await send_error(send, INTERNAL_ERROR, request_id)

    def _admit(self, path: str, authorization: bytes | None) -> KeyEntry:
        keys = self._keys()
        if keys is None:
            raise not_ready()
        key = keys.find(authorization)
        if key is None:
            raise ApiError(
                401,
                "this needs a key: send Authorization: Bearer and its secret",
                code="invalid_api_key",
                headers=[(b"www-authenticate", b"Bearer")],
            )
        needed = "metrics" if path == METRICS_PATH else "admin"
        if needed not in key.scopes:
            raise ApiError(
                403,
                f"the key {key.name!r} lacks the scope {needed}",
                type="permission_error",
                code="insufficient_scope",
            )
        return key


def not_ready() -> ApiError:
    """The 503 before anything was published."""
    return ApiError(
        503,
        "no configuration has been published yet, so there are neither routes nor keys; GET /readyz says what is "
        "waited for",
        type="api_error",
        code="not_ready",
        headers=[(b"retry-after", b"1")],
    )


class _Answer:
    """Puts the request id on an answer, and remembers whether one has begun."""

    __slots__ = ("_request_id", "_send", "has_started")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = (b"x-request-id", request_id.encode())
        self.has_started = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            extra = [self._request_id, (b"cache-control", b"no-store")]
            message = {**message, "headers": [*message["headers"], *extra]}
        await self._send(message)
