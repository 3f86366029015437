"""Whether a process answers that it is ready, asked over its own listening socket."""

import json
import socket
from dataclasses import dataclass

TIMEOUT_S = 0.25
_QUESTION = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """An answer to `/readyz`."""

    is_ready: bool
    reason: str | None = None
    """Why not, in the process's own words."""
    revision: int | None = None


def ask(address: tuple[str, int]) -> Readiness:
    """Ask once. No answer in time is not ready without a reason."""
    try:
        with socket.create_connection(address, timeout=TIMEOUT_S) as connection:
            connection.sendall(_QUESTION)
            data = b""
            while len(data) < _MAX_BYTES and (piece := connection.recv(4096)):
                data += piece
    except OSError:
        return Readiness(is_ready=False)
    return _read(data)


def _read(data: bytes) -> Readiness:
    head, _, body = data.partition(b"\r\n\r\n")
    is_ready = head.split(b" ", 2)[1:2] == [b"200"]
    try:
        answer = json.loads(body)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    reason, revision = answer.get("reason"), answer.get("revision")
    return Readiness(
        is_ready=is_ready,
        reason=reason if isinstance(reason, str) else None,
        revision=revision if isinstance(revision, int) else None,
    )
