"""Experiments are looked at as requests come, and carried on as their contracts say.

While there is none, nothing of their statistics is loaded.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.clock import Clock, now_us
from gateway.control.loops.rollbacks import RollbackWatch
from gateway.snapshot.publish import Publisher
from gateway.store import experiments
from gateway.store.engine import Store
from gateway.store.experiments import StoredExperiment
from routing.words import RouteName

if TYPE_CHECKING:
    from gateway.control.loops.following import Follower

EXPERIMENTS_EVERY_S: Final = 1.0


class Experiments:
    """Looks after those that are running or paused."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        count_rollback: Callable[[RouteName, float], None],
        clock: Clock = now_us,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count_rollback` is told a route, and after how many seconds every live worker had its roll-back in force.

        `clock` gives UTC microseconds, `timer` monotonic seconds.
        """
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._timer = timer
        self._rollbacks = RollbackWatch(store, count_rollback, clock, timer)
        self._followed: dict[int, Follower] = {}

    def run(self) -> bool:
        """Attend to each; whether there is more to read, or a roll-back that not every worker has."""
        with self._store.reading() as connection:
            found = experiments.open_ones(connection)
        self._followed = {one.id: self._follower(one) for one in found}
        has_more = any([self._followed[one.id].attend(one) for one in found])
        return self._rollbacks.look() or has_more

    def _follower(self, experiment: StoredExperiment) -> "Follower":
        from gateway.control.loops.following import Follower  # which takes scipy along

        known = self._followed.get(experiment.id)
        return known or Follower(
            self._store, self._publisher, experiment, self._rollbacks.begin, self._clock, self._timer
        )
