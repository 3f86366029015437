"""The one shape of every error that a client sees, and the one place where it is made.

`{"error": {"message", "type", "param", "code"}}`, always these four keys; `param` and `code` are strings or null
(the OpenAI API's `Error` schema).
"""

from collections.abc import Sequence

import orjson

Headers = list[tuple[bytes, bytes]]


class ApiError(Exception):
    """A request that ends in an error. The message says what was wrong and what to do."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.headers = headers

    def body(self) -> bytes:
        """The JSON body."""
        return error_body(self.message, type=self.type, code=self.code, param=self.param)


def error_body(message: str, *, type: str, code: str | None, param: str | None = None) -> bytes:
    """The JSON of an error; also what is sent as an event when a stream breaks."""
    # A lone surrogate from the client's own text must not stop its error from being written.
    safe = message.encode("utf-8", "replace").decode()
    return orjson.dumps({"error": {"message": safe, "type": type, "param": param, "code": code}})


def retry_after_headers(seconds: float | None) -> Headers:
    """`Retry-After`, in whole seconds, at least 1 (RFC 9110 section 10.2.3)."""
    return [] if seconds is None else [(b"retry-after", str(max(1, round(seconds))).encode())]


SHUTTING_DOWN = ApiError(
    503,
    "the gateway is shutting down; send the request again",
    type="service_unavailable_error",
    code="server_shutting_down",
    headers=[(b"retry-after", b"1")],
)

INTERNAL_ERROR = ApiError(
    500,
    "the gateway failed to handle this request; the request id names it in the gateway's log",
    type="api_error",
    code="internal_error",
)
