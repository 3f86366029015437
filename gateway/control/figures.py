"""What calibrations are worth, as metrics: from the snapshot in force and from what was stored with each of them.

Looked up now and then beside the observer's look; a scrape waits for no store.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.control.observer import Seen
from gateway.store import calibrations
from gateway.store.calibration_data import count_labels_after
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from routing.confidence.refit import MOST_LABELS
from routing.words import ModelName, RouteName

COUNT_EVERY_S: Final = 10.0
_LABELS: Final = ("route", "model")
_MEASURED: Final = {
    "auroc": "How well confidence tells right answers from wrong ones, in [0, 1]; 0.5 is chance",
    "ece": "By how much confidence misses the share of right answers, in [0, 1]",
}
_PARTS: Final = (("value", "", ""), ("low", "_lower", ", lower 95 % bound"), ("high", "_upper", ", upper 95 % bound"))

Key = tuple[RouteName, ModelName]


class Figures(Collector):
    """Gauges of every arm of a route that has a fallback."""

    def __init__(self, store: Store, see: Callable[[], Seen]) -> None:
        self._store = store
        self._see = see
        self._revision = 0
        self._counted_s: float | None = None
        self._qualities: Mapping[tuple[str, str], Mapping[str, Any]] = {}
        self._labels: Mapping[Key, int] = {}

    def look(self) -> None:
        """Read what changed: what calibrations are worth with every revision, the labels every ten seconds."""
        snapshot = self._see().snapshot
        if snapshot is None:
            return
        now_s = time.monotonic()
        is_due = self._counted_s is None or now_s - self._counted_s >= COUNT_EVERY_S
        if not is_due and snapshot.revision == self._revision:
            return
        arms = [(name, arm) for name, entry in snapshot.document.routes.items() for arm in entry.judges]
        try:
            with self._store.reading() as connection:
                known = calibrations.qualities(connection)
                self._labels = {key: count_labels_after(connection, *key, -1, at_most=MOST_LABELS) for key in arms}
        except StoreError:
            return  # which the observer has said already
        self._qualities = {key: record.quality for key, record in known.items()}
        self._revision, self._counted_s = snapshot.revision, now_s

    def collect(self) -> Iterator[Metric]:
        """Those of which something is known."""
        snapshot = self._see().snapshot
        if snapshot is None:
            return
        armed = GaugeMetricFamily(
            "gateway_cascade_armed", "Whether answers are replaced for low confidence, by what calibration says.",
            labels=_LABELS,
        )  # fmt: skip
        labels = GaugeMetricFamily(
            "gateway_calibration_labels", f"Labels of an arm's answers, of which {MOST_LABELS} are counted at most.",
            labels=_LABELS,
        )  # fmt: skip
        found: list[tuple[Key, Mapping[str, Any]]] = []
        for route, entry in snapshot.document.routes.items():
            for arm, judge in entry.judges.items():
                armed.add_metric([route, arm], float(judge.is_armed))
                labels.add_metric([route, arm], self._labels.get((route, arm), judge.labels))
                whole = self._qualities.get((route, arm), {}).get("whole")
                if whole is not None:
                    found.append(((route, arm), whole))
        yield armed
        yield labels
        yield from _measured(found)


def _measured(found: list[tuple[Key, Mapping[str, Any]]]) -> Iterator[Metric]:
    """One gauge for each figure and each end of its interval."""
    for name, says in _MEASURED.items():
        for part, suffix, which in _PARTS:
            family = GaugeMetricFamily(f"gateway_calibration_{name}{suffix}", f"{says}{which}.", labels=_LABELS)
            for key, whole in found:
                family.add_metric(list(key), whole[name][part])
            yield family
