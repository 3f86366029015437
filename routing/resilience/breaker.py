"""When to leave a model alone: after failures in a row, or because it asked for it.

    CLOSED --failures in a row--> OPEN --after a while--> HALF_OPEN (one probe) --success--> CLOSED
                                    ^------------------------ failure ------------------------'

A `Retry-After` opens it for as long as the upstream said, within a cap. Time is an argument everywhere.
"""

from dataclasses import dataclass
from enum import StrEnum

RETRY_AFTER_CAP_S = 120.0


class BreakerState(StrEnum):
    """The metric shows these as 0, 1 and 2, in this order."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """When a breaker opens, and for how long."""

    failures: int = 5
    open_s: float = 10.0


class Breaker:
    """The breaker of one model in one worker."""

    __slots__ = ("_failures", "_open_until_s", "_probe_since_s", "_rule")

    def __init__(self, rule: BreakerRule | None = None) -> None:
        self._rule = rule or BreakerRule()
        self._failures = 0
        self._open_until_s = 0.0
        self._probe_since_s: float | None = None

    def admits(self, now_s: float) -> bool:
        """Whether a request may go to the model now. One that is let through while half open is the probe.

        A probe whose end is never reported is given up after the time the breaker stays open.
        """
        if self._open_until_s == 0.0:
            return True
        if now_s < self._open_until_s:
            return False
        if self._probe_since_s is not None and now_s < self._probe_since_s + self._rule.open_s:
            return False
        self._probe_since_s = now_s
        return True

    def succeeded(self) -> None:
        """An attempt brought an answer, or showed that the upstream is well (it refused a bad request)."""
        self._failures = 0
        # While it is open only a probe may close it: an attempt from before it opened says nothing about what made it
        # open, least of all when the upstream asked for rest.
        if self._probe_since_s is not None:
            self._open_until_s = 0.0
            self._probe_since_s = None

    def failed(self, now_s: float) -> None:
        """An attempt failed for the upstream's fault."""
        self._failures += 1
        if self._failures >= self._rule.failures or self._probe_since_s is not None:
            self._probe_since_s = None
            self._open_until_s = max(self._open_until_s, now_s + self._rule.open_s)

    def abandoned(self) -> None:
        """An attempt ended without telling anything, such as by a client that left."""
        self._probe_since_s = None

    def cools_down(self, now_s: float, retry_after_s: float) -> None:
        """The upstream asked to be left alone for a while."""
        self._probe_since_s = None
        self._open_until_s = max(self._open_until_s, now_s + min(retry_after_s, RETRY_AFTER_CAP_S))

    def retry_after_s(self, now_s: float) -> float:
        """Seconds until the model may be tried again; 0 when it may be tried now."""
        return max(0.0, self._open_until_s - now_s)

    def state(self, now_s: float) -> BreakerState:
        """What an operator sees."""
        if self._open_until_s == 0.0:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now_s < self._open_until_s else BreakerState.HALF_OPEN
