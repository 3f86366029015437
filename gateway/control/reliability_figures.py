"""The reliability curve of each arm, as metrics: of answers this sure, how many were right?

Looked up now and then beside the observer's look; a scrape waits for no store.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.control.observer import Seen
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from gateway.store.reliability import graded_confidences
from routing.words import ModelName, RouteName

LOOK_EVERY_S: Final = 30.0
BINS: Final = 10
"""Of equal width, over [0, 1]."""
NAMES: Final = tuple(f"{number / BINS:.1f}-{(number + 1) / BINS:.1f}" for number in range(BINS))
_LABELS: Final = ("route", "model", "bin")


@dataclass(slots=True)
class Bin:
    """Answers that were about as sure."""

    answers: int = 0
    correct: int = 0
    confidence: float = 0.0
    """Summed up."""


Curve = list[Bin]


def curve_of(graded: Iterable[tuple[float, bool]]) -> Curve:
    """Count answers by how sure their model was. 1.0 belongs to the last bin."""
    curve = [Bin() for _ in range(BINS)]
    for confidence, is_right in graded:
        found = curve[min(int(confidence * BINS), BINS - 1)]
        found.answers += 1
        found.correct += is_right
        found.confidence += confidence
    return curve


class ReliabilityFigures(Collector):
    """Gauges of every arm that is judged. A bin without answers has no series."""

    def __init__(self, store: Store, see: Callable[[], Seen]) -> None:
        self._store = store
        self._see = see
        self._looked_s: float | None = None
        self._curves: Mapping[tuple[RouteName, ModelName], Curve] = {}

    def look(self) -> None:
        """Count anew, every half a minute."""
        snapshot, now_s = self._see().snapshot, time.monotonic()
        if snapshot is None or (self._looked_s is not None and now_s - self._looked_s < LOOK_EVERY_S):
            return
        arms = [(name, arm) for name, entry in snapshot.document.routes.items() for arm in entry.judges]
        try:
            with self._store.reading() as connection:
                self._curves = {key: curve_of(graded_confidences(connection, *key)) for key in arms}
        except StoreError:
            return  # which the observer has said already
        self._looked_s = now_s

    def collect(self) -> Iterator[Metric]:
        """Those of bins with answers."""
        answers = GaugeMetricFamily(
            "gateway_reliability_answers",
            "Of the newest labels, answers whose calibrated confidence was in a bin.",
            labels=_LABELS,
        )
        correct = GaugeMetricFamily("gateway_reliability_correct", "How many of them are right.", labels=_LABELS)
        confidence = GaugeMetricFamily(
            "gateway_reliability_confidence", "The sum of their confidence; over their number, what was expected.",
            labels=_LABELS,
        )  # fmt: skip
        for (route, arm), curve in self._curves.items():
            for name, found in zip(NAMES, curve, strict=True):
                if found.answers:
                    answers.add_metric([route, arm, name], found.answers)
                    correct.add_metric([route, arm, name], found.correct)
                    confidence.add_metric([route, arm, name], found.confidence)
        yield from (answers, correct, confidence)
