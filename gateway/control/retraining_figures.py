"""Which routes' versions are due for training again, as a metric: as the loop left it in the store.

Looked up now and then beside the observer's look; a scrape waits for no store.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.control.observer import Seen
from gateway.store import retraining
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from routing.drift.retraining import RetrainingReason, Standing
from routing.words import RouteName

LOOK_EVERY_S: Final = 5.0


class RetrainingFigures(Collector):
    """A gauge for every route and reason: 1 where it is due, else 0."""

    def __init__(self, store: Store, see: Callable[[], Seen]) -> None:
        self._store = store
        self._see = see
        self._looked_s: float | None = None
        self._standings: Mapping[RouteName, Mapping[RetrainingReason, Standing]] = {}

    def look(self) -> None:
        """Read what is due, every five seconds."""
        now_s = time.monotonic()
        if self._looked_s is not None and now_s - self._looked_s < LOOK_EVERY_S:
            return
        try:
            with self._store.reading() as connection:
                self._standings = retraining.standings(connection)
        except StoreError:
            return  # which the observer has said already
        self._looked_s = now_s

    def collect(self) -> Iterator[Metric]:
        """All routes that there are, also those of which nothing is known yet."""
        snapshot = self._see().snapshot
        if snapshot is None:
            return
        due = GaugeMetricFamily(
            "gateway_retraining_due",
            "Whether a route's newest version is due for training again, by reason.",
            labels=["route", "reason"],
        )
        for route in snapshot.document.routes:
            standing = self._standings.get(route, {})
            for reason in RetrainingReason:
                found = standing.get(reason)
                due.add_metric([route, reason], float(found is not None and found.due_since_us is not None))
        yield due
