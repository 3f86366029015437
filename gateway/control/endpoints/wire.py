"""What every endpoint needs of a request and an answer."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response

from gateway.control.guard import KEY
from gateway.errors import ApiError
from gateway.snapshot.document import KeyEntry

MAX_BODY_BYTES = 64 * 1024


async def read_body(request: Request, most_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body, read but not looked into: who may change what is settled before that.

    Raises:
        ApiError: 413, it is larger than `most_bytes`.
    """
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if declared.isdigit() and int(declared) <= most_bytes:
        async for piece in request.stream():
            body += piece
            if len(body) > most_bytes:
                break
        else:
            return bytes(body)
    raise ApiError(
        413,
        f"the body is larger than {most_bytes // 1024} KiB",
        code="request_too_large",
        headers=[(b"connection", b"close")],
    )


async def _read(request: Request) -> bytes:
    return await read_body(request)


def _key(request: Request) -> KeyEntry:
    key: KeyEntry = request.scope[KEY]
    return key


RawBody = Annotated[bytes, Depends(_read)]
Caller = Annotated[KeyEntry, Depends(_key)]


def json_response(value: Mapping[str, Any], *, status: int = 200, etag: str | None = None) -> Response:
    """An answer in JSON."""
    headers = {} if etag is None else {"etag": etag}
    return Response(orjson.dumps(value), status_code=status, headers=headers, media_type="application/json")
