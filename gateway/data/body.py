"""Read and parse a request's body."""

import json
from math import inf, isfinite
from typing import Any

import orjson

from gateway.data.guard import MAX_BODY_BYTES, Receive, body_too_large
from gateway.errors import ApiError

_MAX_SECOND_LOOK_BYTES = 256 * 1024


class ClientLeft(Exception):
    """The client closed its connection before its request was complete: there is nobody to answer."""


async def read_body(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        ApiError: it is larger than the limit.
        ClientLeft: it never came.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > MAX_BODY_BYTES:
            raise body_too_large()
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientLeft
    if len(body) > MAX_BODY_BYTES:
        raise body_too_large()
    return body


def check_media(headers: dict[bytes, bytes]) -> None:
    """Refuse what is not plain JSON before it is read. A missing content type is taken for JSON."""
    media = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if media != b"application/json" and not media.endswith(b"+json"):
        raise ApiError(415, "send the request as JSON, with `content-type: application/json`")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise ApiError(415, "compressed requests are not accepted; send the body without content-encoding")


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259, in UTF-8). Of a repeated key the last one counts, here and upstream.

    Raises:
        ApiError: 400, saying what it is instead.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad_json(body, error) from error
    if not isinstance(value, dict):
        kind = "null" if value is None else type(value).__name__
        raise ApiError(400, f"the request's body must be a JSON object, not {_ARTICLES.get(kind, kind)}")
    return value


_ARTICLES = {"list": "an array", "str": "a string", "int": "a number", "float": "a number", "bool": "a boolean"}


def _bad_json(body: bytes, error: orjson.JSONDecodeError) -> ApiError:
    if not body.strip():
        return ApiError(400, "the request has no body; send a JSON object", code="invalid_json")
    param = _not_finite(body, error)
    if param is not None:
        return ApiError(400, f"{param}: must be a finite number", param=param, code="invalid_json")
    return ApiError(400, f"the request's body is not valid JSON: {error.msg}", code="invalid_json")


def _not_finite(body: bytes, error: orjson.JSONDecodeError) -> str | None:
    """The field whose number is NaN, Infinity or out of range: a second look, by Python's own lenient parser."""
    if len(body) > _MAX_SECOND_LOOK_BYTES or not (b"NaN" in body or b"Infinity" in body or "infinity" in error.msg):
        return None
    try:
        value = json.loads(body, parse_int=_bounded_int)
    except (ValueError, RecursionError):
        return None
    fields = value.items() if isinstance(value, dict) else ()
    return next((name for name, field in fields if isinstance(field, float) and not isfinite(field)), None)


def _bounded_int(digits: str) -> float:
    return int(digits) if len(digits) < 400 else inf
