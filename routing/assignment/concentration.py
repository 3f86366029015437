"""Notice when one unit makes so much of a route's traffic that the split cannot be even."""

SHARE_LIMIT = 0.20
MIN_REQUESTS = 200
_ROUND = 1_000
_REPORTED_FOR_ROUNDS = 10


class Concentration:
    """The units of one route, counted over rounds of a thousand requests, so that memory does not grow with traffic.

    A unit that stays heavy is reported once in ten rounds.
    """

    __slots__ = ("_counts", "_reported", "_rounds", "_total")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._reported: set[str] = set()
        self._rounds = 0
        self._total = 0

    def observe(self, unit_hash: str) -> float | None:
        """Count one request of a unit.

        Returns:
            Its share of the round's requests, in (0.2, 1], when it has just been found to make more than a fifth of at
            least 200; otherwise `None`.
        """
        if self._total == _ROUND:
            self._next_round()
        total = self._total = self._total + 1
        count = self._counts[unit_hash] = self._counts.get(unit_hash, 0) + 1
        if total >= MIN_REQUESTS and count > SHARE_LIMIT * total and unit_hash not in self._reported:
            self._reported.add(unit_hash)
            return count / total
        return None

    def _next_round(self) -> None:
        self._counts = {}
        self._total = 0
        self._rounds += 1
        if self._rounds % _REPORTED_FOR_ROUNDS == 0:
            self._reported = set()
