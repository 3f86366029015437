"""Roll-backs that experiments did by themselves are timed, from the decision until every live worker has them."""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.clock import Clock
from gateway.store import workers
from gateway.store.engine import Store
from routing.words import RouteName

QUICK_FOR_S: Final = 30.0
"""A roll-back that takes longer is looked for less often: a worker hangs, and what is slow is told as well later."""

log = logging.getLogger(__name__)


class _Pending(NamedTuple):
    route: RouteName
    revision: int
    since_s: float


class RollbackWatch:
    """Waits for the workers."""

    def __init__(
        self, store: Store, count: Callable[[RouteName, float], None], clock: Clock, timer: Callable[[], float]
    ) -> None:
        """`count` is told a route and seconds, `clock` gives UTC microseconds, `timer` monotonic seconds."""
        self._store = store
        self._count = count
        self._clock = clock
        self._timer = timer
        self._pending: list[_Pending] = []

    def begin(self, route: RouteName, revision: int, since_s: float) -> None:
        """Time the roll-back that is `revision`; `since_s` is when it was decided, by the timer."""
        self._pending.append(_Pending(route, revision, since_s))

    def look(self) -> bool:
        """Count those that every live worker has; whether one is to be looked for again soon.

        Raises:
            StoreError: the store does not answer; nothing is lost.
        """
        if not self._pending:
            return False
        found = workers.live(self._store, self._clock())
        now_s = self._timer()
        least = min((worker.revision for worker in found), default=None)
        done = [one for one in self._pending if least is None or least >= one.revision]
        self._pending = [one for one in self._pending if one not in done]
        for one in done:
            seconds = now_s - one.since_s
            log.info("the roll-back of %s was in force on every worker after %.0f ms", one.route, seconds * 1000)
            self._count(one.route, seconds)
        return any(now_s - one.since_s < QUICK_FOR_S for one in self._pending)
