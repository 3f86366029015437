"""What routes saved in the last day, with its interval, as metrics: from the ledger's lines and pairs.

Looked up now and then beside the observer's look; a scrape waits for no store.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from gateway.clock import Clock, now_us
from gateway.control.observer import Seen
from gateway.snapshot.document import Document
from gateway.store import ledger, ledger_pairs
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from routing.cost.idle import HOUR_US
from routing.cost.prices import NANO
from routing.cost.savings import Estimate, Savings, paid, savings
from routing.words import ModelName, RouteName

LOOK_EVERY_S: Final = 30.0
HOURS: Final = 24
"""The one that is under way is the last of them."""
PAIR_HOURS: Final = 7 * 24
"""One day may have too few pairs of its own."""
_ENDS: Final = (("value", "", ""), ("lower", "_lower", ", lower 95 % bound"), ("upper", "_upper", ", upper 95 % bound"))


class CostFigures(Collector):
    """Gauges of every route of which it is known what it saves."""

    def __init__(self, store: Store, see: Callable[[], Seen], clock: Clock = now_us) -> None:
        self._store = store
        self._see = see
        self._clock = clock
        self._looked_s: float | None = None
        self._saved: Mapping[RouteName, Estimate] = {}

    def look(self) -> None:
        """Estimate anew, every half a minute."""
        snapshot, now_s = self._see().snapshot, time.monotonic()
        if snapshot is None or (self._looked_s is not None and now_s - self._looked_s < LOOK_EVERY_S):
            return
        try:
            with self._store.reading() as connection:
                self._saved = dict(self._estimates(connection, snapshot.document))
        except StoreError:
            return  # which the observer has said already
        self._looked_s = now_s

    def collect(self) -> Iterator[Metric]:
        """One gauge for the estimate and each end of its interval."""
        for part, suffix, which in _ENDS:
            family = GaugeMetricFamily(
                f"gateway_estimated_savings_usd{suffix}",
                "What a route is estimated to have saved in the last 24 hours against its fallback answering "
                f"everything, less what was paid to answer{which}.",
                labels=["route"],
            )
            for route, saved in self._saved.items():
                family.add_metric([route], getattr(saved, part) / NANO)
            yield family

    def _estimates(self, connection: Connection, document: Document) -> Iterator[tuple[RouteName, Estimate]]:
        for route, entry in document.routes.items():
            if entry.fallback is not None:
                found = self._savings(connection, route, entry.fallback.to)
                if found is not None:
                    yield route, found

    def _savings(self, connection: Connection, route: RouteName, large: ModelName) -> Estimate | None:
        until_us = self._clock() // HOUR_US * HOUR_US + HOUR_US
        lines = ledger.lines_of(connection, route, until_us - HOURS * HOUR_US, until_us)
        pairs = ledger_pairs.pairs_of(connection, route, large, until_us - PAIR_HOURS * HOUR_US, until_us)
        found = savings(paid(lines, large), pairs, has_large=True)
        return found.saved if isinstance(found, Savings) else None
