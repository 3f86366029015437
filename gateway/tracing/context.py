"""Which trace a request belongs to: the headers of W3C Trace Context (https://www.w3.org/TR/trace-context/).

A gateway that makes no spans passes them on as they came, so that a client's trace still reaches the model's server.
`baggage` is never passed on: it may hold anything of the caller's.
"""

import re
from collections.abc import Mapping
from typing import Final

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
# Version, trace, parent, flags. Later versions than 00 may have more behind these; ff is none, nor are all zeros.
_PARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]{0,200})?"
)
_STATE: Final = re.compile(rb"[\x20-\x7e]{1,512}")
"""As much of it must be passed on at least; one that is longer or has other characters is dropped whole."""


def trace_id_in(headers: Mapping[bytes, bytes]) -> str | None:
    """The client's trace, 32 hexadecimal digits; `None` where it names none, or not in the standard's form."""
    parent = headers.get(TRACEPARENT)
    found = None if parent is None else _PARENT.fullmatch(parent)
    if found is None or (found[1] == b"00" and found[3] is not None):
        return None
    return found[2].decode()


def passed_on(headers: Mapping[bytes, bytes]) -> bytes:
    """The client's trace as lines of headers for a model's server; nothing where it has none."""
    if TRACEPARENT not in headers or trace_id_in(headers) is None:
        return b""
    return lines_of(headers[TRACEPARENT], headers.get(TRACESTATE, b""))


def lines_of(parent: bytes, state: bytes) -> bytes:
    """Lines of headers, each with its end."""
    line = b"traceparent: %s\r\n" % parent
    return b"%stracestate: %s\r\n" % (line, state) if _STATE.fullmatch(state) else line
