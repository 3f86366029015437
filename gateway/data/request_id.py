"""Names for requests: UUID version 7 (RFC 9562), which sort by time and need no coordination."""

import os

_RANDOM_BYTES = 10
_STOCK_BYTES = 400 * _RANDOM_BYTES


def new_request_id(now_us: int) -> str:
    """A fresh UUIDv7 of this moment, 36 characters."""
    return uuid7(now_us, os.urandom(_RANDOM_BYTES))


def uuid7(now_us: int, random: bytes) -> str:
    """The UUIDv7 of a moment and ten random bytes."""
    value = (now_us // 1000) << 80 | int.from_bytes(random, "big")
    value = (value & ~(0xF << 76) & ~(0x3 << 62)) | (0x7 << 76) | (0x2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class RequestIds:
    """Makes many. Randomness is fetched for 400 at a time: asking the kernel for it costs more than all the rest."""

    __slots__ = ("_at", "_stock")

    def __init__(self) -> None:
        self._stock = b""
        self._at = 0

    def new(self, now_us: int) -> str:
        """A fresh UUIDv7 of this moment, 36 characters."""
        if self._at >= len(self._stock):
            self._stock = os.urandom(_STOCK_BYTES)
            self._at = 0
        start = self._at
        self._at += _RANDOM_BYTES
        return uuid7(now_us, self._stock[start : self._at])
