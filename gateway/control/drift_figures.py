"""How far requests and answers of each arm have moved, as metrics: as the loop left it in the store.

Looked up now and then beside the observer's look; a scrape waits for no store.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.control.observer import Seen
from gateway.store import drift
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from routing.drift.features import BY_NAME

LOOK_EVERY_S: Final = 2.0
LABELS: Final = "correct"
_ARM: Final = ("route", "model")
_ACCURACIES: Final = (
    ("estimated", "gateway_estimated_accuracy", "The share of right answers as calibrated confidence estimates it"),
    ("audited", "gateway_audited_accuracy", "The share of right answers among those audited lately"),
)
_PARTS: Final = (
    ("accuracy", "", ""),
    ("lower", "_lower", ", lower end of the band"),
    ("upper", "_upper", ", upper end of the band"),
)

Key = tuple[str, str]


class DriftFigures(Collector):
    """Gauges of every arm that is watched. A feature of which nothing can be said has no series."""

    def __init__(self, store: Store, see: Callable[[], Seen]) -> None:
        self._store = store
        self._see = see
        self._looked_s: float | None = None
        self._states: Mapping[Key, Any] = {}
        self._findings: Mapping[Key, list[Mapping[str, Any]]] = {}

    def look(self) -> None:
        """Read what is known, every two seconds."""
        now_s = time.monotonic()
        if self._looked_s is not None and now_s - self._looked_s < LOOK_EVERY_S:
            return
        try:
            with self._store.reading() as connection:
                states = drift.states(connection)
                windows = {key: drift.last_windows(connection, *key, 1) for key in states}
        except StoreError:
            return  # which the observer has said already
        self._states = states
        self._findings = {key: found[0].body["findings"] if found else [] for key, found in windows.items()}
        self._looked_s = now_s

    def collect(self) -> Iterator[Metric]:
        """Those of arms that there are."""
        snapshot = self._see().snapshot
        if snapshot is None:
            return
        arms = [
            (str(route), str(arm))
            for route, entry in snapshot.document.routes.items()
            for arm in entry.split
            if (route, arm) in self._states
        ]
        yield from self._moved(arms)
        yield from self._accuracies(arms)

    def _moved(self, arms: list[Key]) -> Iterator[Metric]:
        score = GaugeMetricFamily(
            "gateway_drift_score",
            "How far the last window of requests is from what they were: population stability index, in nats.",
            labels=[*_ARM, "feature"],
        )
        alarm = GaugeMetricFamily("gateway_drift_alarm", "Whether a feature's alarm is on.", labels=[*_ARM, "feature"])
        for arm in arms:
            for found in self._findings.get(arm, ()):
                if found["note"] is None:
                    score.add_metric([*arm, found["name"]], found["psi"])
            on = {one["feature"] for one in self._states[arm]["watch"]["alarms"]}
            for name in (*BY_NAME, LABELS):
                alarm.add_metric([*arm, name], float(name in on))
        yield score
        yield alarm

    def _accuracies(self, arms: list[Key]) -> Iterator[Metric]:
        for what, name, says in _ACCURACIES:
            for part, suffix, which in _PARTS:
                family = GaugeMetricFamily(f"{name}{suffix}", f"{says}{which}.", labels=_ARM)
                for arm in arms:
                    known = self._states[arm]["quality"][what]
                    if known is not None:
                        family.add_metric(list(arm), known[part])
                yield family
        parted = GaugeMetricFamily(
            "gateway_accuracy_parted", "Whether audits find another accuracy than confidence estimates.", labels=_ARM
        )
        for arm in arms:
            parted.add_metric(list(arm), float(self._states[arm]["quality"]["parted_since_us"] is not None))
        yield parted
