"""What an upstream's HTTP status and error body mean."""

from email.utils import parsedate_to_datetime
from math import isfinite

import msgspec

from routing.resilience.breaker import RETRY_AFTER_CAP_S
from serving.errors import Busy, Faulted, ModelMissing, RequestRejected, Unauthorized, UpstreamError

CLIENTS_OWN = (400, 413, 422)
_MAX_MESSAGE_CHARS = 2000
_TOO_LONG = "maximum context length"
"""In vLLM's message, which has no code for it."""


class _ErrorFields(msgspec.Struct):
    message: str | None = None
    param: str | None = None
    code: str | int | None = None


class _ErrorBody(msgspec.Struct):
    error: _ErrorFields


_error_body = msgspec.json.Decoder(_ErrorBody)


def error_of(status: int, headers: dict[bytes, bytes], body: bytes, now_us: int) -> UpstreamError:
    """The error that an answer other than 200 is."""
    retry_after_s = retry_after(headers, now_us)
    if status in CLIENTS_OWN:
        return _rejected(status, body)
    if status == 429:
        return Busy("the model's server limits its rate", upstream_status=status, retry_after_s=retry_after_s)
    if status in (401, 403):
        return Unauthorized("the model's server does not accept the gateway's credentials", upstream_status=status)
    if status == 404:
        return ModelMissing("the model's server does not serve the model", upstream_status=status)
    return Faulted(
        f"the model's server answered with status {status}",
        upstream_status=status,
        retry_after_s=retry_after_s if status == 503 else None,
    )


def retry_after(headers: dict[bytes, bytes], now_us: int) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After` (RFC 9110 section 10.2.3), within [0, 120].

    `None` where there is neither, or nothing that can be read.
    """
    for name, scale in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        text = headers.get(name)
        if text is None:
            continue
        try:
            seconds = float(text) * scale
        except ValueError:
            seconds = _seconds_until(text, now_us)
        if isfinite(seconds):
            return min(max(seconds, 0.0), RETRY_AFTER_CAP_S)
    return None


def _seconds_until(http_date: bytes, now_us: int) -> float:
    try:
        return parsedate_to_datetime(http_date.decode("latin-1")).timestamp() - now_us / 1e6
    except (ValueError, OverflowError):
        return float("nan")


def _rejected(status: int, body: bytes) -> RequestRejected:
    """The client needs to know what was wrong with its request, and nothing else of what the upstream wrote."""
    try:
        fields = _error_body.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields = _ErrorFields()
    message = (fields.message or "the model's server refuses this request")[:_MAX_MESSAGE_CHARS]
    # vLLM writes the HTTP status as an integer code; the OpenAI schema has a word or null there.
    code = fields.code if isinstance(fields.code, str) and not fields.code.isdigit() else None
    if code is None and _TOO_LONG in message:
        code = "context_length_exceeded"
    return RequestRejected(message, upstream_status=status, param=fields.param, error_code=code)
