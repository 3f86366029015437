"""Server-sent events, split by the rules of the WHATWG HTML standard, section 9.2.6.

The fast path is what every server really sends: `data: …` and an empty line, ended by LF. Whatever else the standard
allows (CR, CRLF, a BOM, comments, `event:` and `id:` lines, data over several lines) takes the slow path.
"""

from serving.errors import Malformed

MAX_EVENT_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Bytes in, the data of complete events out. Bytes may be split anywhere."""

    __slots__ = ("_at_start", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._at_start = True

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that are complete now.

        Raises:
            Malformed: an event is out of all proportion.
        """
        if self._rest:
            data = self._rest + data
        if self._at_start:
            if len(data) < 3 and _BOM.startswith(data):
                self._rest = data
                return []
            self._at_start = False
            data = data.removeprefix(_BOM)
        blocks = data.split(b"\n\n") if b"\r" not in data else _blocks_with_cr(data)
        self._rest = blocks.pop()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise Malformed("the model's server sent an event that is too large")
        if not blocks:
            return blocks
        return [data for data in map(_data_of, blocks) if data is not None]


def _blocks_with_cr(data: bytes) -> list[bytes]:
    """Blocks of data whose lines end in CR or CRLF. A CR at the very end may be half of a CRLF, so it stays."""
    held = b"\r" if data.endswith(b"\r") else b""
    blocks = data.removesuffix(held).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
    blocks[-1] += held
    return blocks


def _data_of(block: bytes) -> bytes | None:
    """The data of one event; `None` if it has none, as comments do."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None
