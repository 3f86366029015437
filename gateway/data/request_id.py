"""Names for requests: UUID version 7 (RFC 9562), which sort by time and need no coordination."""

import os

_RANDOM_BYTES = 10
_STOCK_BYTES = 400 * _RANDOM_BYTES
_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_request_id(now_us: int) -> str:
    """A fresh UUIDv7 of this moment, 36 characters."""
    return uuid7(now_us, os.urandom(_RANDOM_BYTES))


def uuid7(now_us: int, random: bytes) -> str:
    """The UUIDv7 of a moment and ten random bytes."""
    return _joined(f"{now_us // 1000:012x}", random.hex())


def _joined(milliseconds: str, random: str) -> str:
    """12 hexadecimal digits of time and 20 of randomness; of these two give way to version and variant."""
    variant = _VARIANTS[random[3]]
    return f"{milliseconds[:8]}-{milliseconds[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[7:19]}"


class RequestIds:
    """Makes many. Randomness is fetched for 400 at a time: asking the kernel for it costs more than all the rest."""

    __slots__ = ("_at", "_milliseconds", "_now_ms", "_stock")

    def __init__(self) -> None:
        self._stock = ""
        self._at = 0
        self._now_ms = 0
        self._milliseconds = ""

    def new(self, now_us: int) -> str:
        """A fresh UUIDv7 of this moment, 36 characters."""
        if self._at >= len(self._stock):
            self._stock = os.urandom(_STOCK_BYTES).hex()
            self._at = 0
        now_ms = now_us // 1000
        if now_ms != self._now_ms:
            self._now_ms, self._milliseconds = now_ms, f"{now_ms:012x}"
        start = self._at
        self._at = end = start + 2 * _RANDOM_BYTES
        return _joined(self._milliseconds, self._stock[start:end])
