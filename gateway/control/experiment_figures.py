"""What experiments show, as metrics: from the snapshot in force, and from what was seen of each at its last look.

Looked up now and then beside the observer's look; a scrape waits for no store.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.control.observer import Seen
from gateway.snapshot.document import Snapshot
from gateway.store import experiments
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from routing.experiment.contract import ExperimentState
from routing.words import RouteName

LOOK_EVERY_S: Final = 5.0
_ENDS: Final = (("effect", "", ""), ("lower", "_lower", ", lower bound"), ("upper", "_upper", ", upper bound"))


class ExperimentFigures(Collector):
    """Gauges of the experiment that each route has, or had last."""

    def __init__(self, store: Store, see: Callable[[], Seen]) -> None:
        self._store = store
        self._see = see
        self._revision = 0
        self._looked_s: float | None = None
        self._results: Mapping[RouteName, Any] = {}

    def look(self) -> None:
        """Read what was seen, with every revision and every five seconds."""
        snapshot = self._see().snapshot
        if snapshot is None:
            return
        now_s = time.monotonic()
        is_due = self._looked_s is None or now_s - self._looked_s >= LOOK_EVERY_S
        if not is_due and snapshot.revision == self._revision:
            return
        try:
            self._results = self._read(snapshot)
        except StoreError:
            return  # which the observer has said already
        self._revision, self._looked_s = snapshot.revision, now_s

    def collect(self) -> Iterator[Metric]:
        """Those of which something is known."""
        snapshot = self._see().snapshot
        if snapshot is None:
            return
        yield _states(snapshot)
        yield from _effects(snapshot, self._results)
        ratio = GaugeMetricFamily(
            "gateway_experiment_srm_pvalue",
            "How likely the arms of an experiment get such different shares by chance; below 0.001 blocks a verdict.",
            labels=["route"],
        )
        for route, result in self._results.items():
            if "sample_ratio" in result:
                ratio.add_metric([route], result["sample_ratio"]["p_value"])
        yield ratio

    def _read(self, snapshot: Snapshot) -> dict[RouteName, Any]:
        found = {}
        with self._store.reading() as connection:
            for route, entry in snapshot.document.routes.items():
                if entry.experiment is None or entry.experiment.id is None:
                    continue
                newest = experiments.newest_result(connection, entry.experiment.id)
                if newest is not None:
                    found[route] = newest[1]
        return found


def _states(snapshot: Snapshot) -> Metric:
    states = GaugeMetricFamily(
        "gateway_experiment_state", "Whether a route's experiment is in a state.", labels=["route", "state"]
    )
    for route, entry in snapshot.document.routes.items():
        for state in ExperimentState if entry.experiment is not None else ():
            states.add_metric([route, state], float(entry.experiment is not None and entry.experiment.state is state))
    return states


def _effects(snapshot: Snapshot, results: Mapping[RouteName, Any]) -> Iterator[Metric]:
    """One gauge for the effect and each end of its interval."""
    for part, suffix, which in _ENDS:
        family = GaugeMetricFamily(
            f"gateway_experiment_effect{suffix}",
            f"The candidate's metric minus the baseline's, by assigned arm{which}.",
            labels=["route", "arm", "metric"],
        )
        for route, result in results.items():
            entry = snapshot.document.routes.get(route)
            if entry is None or entry.experiment is None:
                continue
            for metric, effect in result["effects"].items():
                if effect[part] is not None:
                    family.add_metric([route, entry.experiment.arms[1], metric], effect[part])
        yield family
