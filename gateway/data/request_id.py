"""Names for requests: UUID version 7 (RFC 9562), which sort by time and need no coordination."""

import os


def new_request_id(now_us: int) -> str:
    """A fresh UUIDv7 of this moment, 36 characters."""
    value = (now_us // 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76) & ~(0x3 << 62)) | (0x7 << 76) | (0x2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
