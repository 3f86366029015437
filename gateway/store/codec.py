"""JSON as text, as the store keeps it."""

import zlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="sorted")


def dump(value: object) -> str:
    """Canonical JSON. PostgreSQL has no NUL in text, and JSON escapes it."""
    return _encoder.encode(value).decode()


def load(text: str, kind: type[T]) -> T:
    """Read it back as `kind`."""
    return msgspec.json.decode(text, type=kind)


def load_any(text: str) -> Any:  # plain JSON of any shape
    """Read it back as plain values."""
    return msgspec.json.decode(text)


def pack(value: object) -> bytes:
    """JSON, deflated, for what is large and only read as a whole."""
    return zlib.compress(_encoder.encode(value), 1)  # a third larger than at 6, for a fifth of the work


def unpack(data: bytes) -> Any:  # plain JSON of any shape
    """Read it back as plain values."""
    return msgspec.json.decode(zlib.decompress(data))
