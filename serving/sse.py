"""Server-sent events, split by the rules of the WHATWG HTML standard, section 9.2.6.

The fast path is what every server really sends: `data: …` and an empty line, ended by LF. Whatever else the standard
allows (CR, CRLF, a BOM, comments, `event:` and `id:` lines, data over several lines) takes the slow path.
"""

from serving.errors import Malformed

MAX_EVENT_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Bytes in, the data of complete events out. Bytes may be split anywhere."""

    __slots__ = ("_after_cr", "_at_start", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._at_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that are complete now.

        Raises:
            Malformed: an event is out of all proportion.
        """
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if self._rest:
            data = self._rest + data
        if self._at_start:
            if len(data) < 3 and _BOM.startswith(data):
                self._rest = data
                return []
            self._at_start = False
            data = data.removeprefix(_BOM)
        if b"\r" in data:
            # A CR at the very end ends its line already; an LF that may still come is half of a CRLF.
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        blocks = data.split(b"\n\n")
        self._rest = blocks.pop()
        if len(self._rest) > MAX_EVENT_BYTES:
            raise Malformed("the model's server sent an event that is too large")
        if not blocks:
            return blocks
        return [data for data in map(_data_of, blocks) if data is not None]


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
