"""Notice when one unit makes so much of a route's traffic that the split cannot be even.

The frequent-items summary of Misra and Gries (1982): with k counters over n requests, every count is at most
n / (k + 1) below the truth, in memory that does not depend on traffic.
"""

SHARE_LIMIT = 0.20
MIN_REQUESTS = 200
_COUNTERS = 32
_RESET_AFTER = 10_000


class Concentration:
    """The heaviest units of one route among its latest requests.

    Counts start again after 10,000 requests, so that what is reported is recent; each unit is reported once a round.
    """

    __slots__ = ("_counts", "_reported", "_total")

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._counts: dict[str, int] = {}
        self._reported: set[str] = set()
        self._total = 0

    def observe(self, unit_hash: str) -> float | None:
        """Count one request of a unit.

        Returns:
            The least share of the requests that this unit can have made, in (0.2, 1], when it has just been found to
            make more than a fifth of at least 200; otherwise `None`.
        """
        if self._total >= _RESET_AFTER:
            self._start()
        self._total += 1
        counts = self._counts
        if unit_hash in counts:
            counts[unit_hash] += 1
        elif len(counts) < _COUNTERS:
            counts[unit_hash] = 1
        else:
            self._counts = {unit: count - 1 for unit, count in counts.items() if count > 1}
            return None
        share = counts[unit_hash] / self._total
        if self._total >= MIN_REQUESTS and share > SHARE_LIMIT and unit_hash not in self._reported:
            self._reported.add(unit_hash)
            return share
        return None
