"""What can go wrong with an upstream, and what each fault means for the request.

    UpstreamError
    ├── Unreachable        no connection                            error        502  upstream_unreachable
    ├── StaleConnection    a reused connection closed, no byte came (retried once, free)
    ├── Broken             closed or reset within an answer         error        502  upstream_interrupted
    ├── TimedOut           too late: connect, first token, whole    timeout      504  upstream_timeout
    ├── Malformed          not an answer: HTML, empty, no choices   invalid      502  upstream_invalid_response
    ├── Faulted            5xx, 408, 409, redirects, an error within a stream, finish_reason abort
    │   │                                                           error        502  upstream_error
    │   └── ErrorInstead   a 200 that is an error                   error        502  upstream_invalid_response
    ├── Unauthorized       401, 403: our key, not the client's      error        502  upstream_auth_error
    ├── ModelMissing       404: the upstream does not serve it      error        502  upstream_model_missing
    ├── Busy               429, with its Retry-After                unavailable  429  rate_limit_exceeded
    ├── NotAdmitted        the breaker is open, or it is switched off
    │                                                               unavailable  503  no_healthy_upstream
    └── RequestRejected    400, 413, 422: the client's own fault    (passed on)

The text of these errors goes to clients: it never carries an address, a key or a body of the upstream.
"""

from typing import ClassVar

from routing.words import Reason


class UpstreamError(Exception):
    """An attempt brought no usable answer."""

    reason: ClassVar[Reason] = Reason.ERROR
    status: ClassVar[int] = 502
    type: ClassVar[str] = "api_error"
    code: ClassVar[str] = "upstream_error"
    is_upstreams_fault: ClassVar[bool] = True
    """Counts for the breaker."""

    def __init__(self, message: str, *, upstream_status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.upstream_status = upstream_status
        self.retry_after_s = retry_after_s


class Unreachable(UpstreamError):
    """No connection could be made: refused, unknown host, failed TLS, or too late."""

    code = "upstream_unreachable"


class StaleConnection(UpstreamError):
    """A kept-alive connection was closed by the upstream before any byte of an answer: safe to send again."""


class Broken(UpstreamError):
    """The connection ended within an answer."""

    code = "upstream_interrupted"


class TimedOut(UpstreamError):
    """The upstream was too slow."""

    reason = Reason.TIMEOUT
    status = 504
    code = "upstream_timeout"


class Malformed(UpstreamError):
    """What came is not an answer."""

    reason = Reason.INVALID
    code = "upstream_invalid_response"


class Faulted(UpstreamError):
    """The upstream said that it failed."""


class ErrorInstead(Faulted):
    """The upstream answered with 200, and with an error all the same."""

    code = "upstream_invalid_response"


class Unauthorized(UpstreamError):
    """The upstream does not accept the gateway's key. Never shown to the client as a 401: its own key is fine."""

    code = "upstream_auth_error"


class ModelMissing(UpstreamError):
    """The upstream does not serve this model, such as an adapter that is not loaded."""

    code = "upstream_model_missing"


class Busy(UpstreamError):
    """The upstream limits the gateway's rate."""

    reason = Reason.UNAVAILABLE
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class NotAdmitted(UpstreamError):
    """The model is not asked at all: its breaker is open, or it is switched off."""

    reason = Reason.UNAVAILABLE
    status = 503
    type = "service_unavailable_error"
    code = "no_healthy_upstream"
    is_upstreams_fault = False


class RequestRejected(UpstreamError):
    """The upstream refuses the request itself. `body` is the upstream's error, to be normalised."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
    is_upstreams_fault = False

    def __init__(self, message: str, *, upstream_status: int, param: str | None, error_code: str | None) -> None:
        super().__init__(message, upstream_status=upstream_status)
        self.param = param
        self.error_code = error_code
