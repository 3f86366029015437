"""Which requests are looked at: all of them while they are few, a random share of many, so that work is bounded.

    requests in the second before    share that is described       share whose answer is counted
    up to `per_second`               1                             1
    more                             per_second / requests         four times that, at most 1

When requests come in a burst, the share is still that of the second before; no second has more than `BURST` times what
it should. Whether a request is among them is a hash of its id, and nothing of the request or its answer.
"""

from typing import Final
from zlib import crc32

BURST: Final = 4
ANSWERS: Final = 4
"""How many answers are counted for each text that is described."""
_POINTS: Final = 2.0**32


class Sampler:
    """Decides for the requests of one route in one worker, in the order in which they end."""

    __slots__ = ("_answers", "_seen", "_share", "_start", "_texts", "_until_s", "per_second")

    def __init__(self, salt: str, per_second: int) -> None:
        """`salt` is the route's; `per_second` texts are described."""
        self.per_second = per_second
        self._start = crc32(f"{salt}\0drift\0".encode("utf-8", "surrogatepass"))
        self._until_s = 1
        self._share = 1.0
        self._seen = self._texts = self._answers = 0

    def look(self, request_id: str, at_s: float) -> tuple[bool, bool]:
        """Whether the text of a request is described, and whether its answer is counted.

        Args:
            request_id: its id, which is hashed behind the salt (CRC-32, since it is done for every request).
            at_s: when it ended, in seconds of a clock that never goes back.
        """
        if at_s >= self._until_s:
            self._begin(int(at_s))
        self._seen += 1
        share = self._share
        point = 0.0
        if share < 1.0:
            point = crc32(request_id.encode("utf-8", "surrogatepass"), self._start) / _POINTS
            if point >= share * ANSWERS:
                return False, False
        takes_answer = self._answers < self.per_second * ANSWERS * BURST
        takes_text = point < share and self._texts < self.per_second * BURST
        self._answers += takes_answer
        self._texts += takes_text
        return takes_text, takes_answer

    def _begin(self, second: int) -> None:
        """A new second; the share is what the one before, or the mean of a longer pause, would have needed."""
        rate = self._seen / (second + 1 - self._until_s)
        self._share = min(1.0, self.per_second / rate) if rate else 1.0
        self._until_s = second + 1
        self._seen = self._texts = self._answers = 0
