"""The metric families of the data plane.

Every label comes from the configuration or from a closed set, never from what a client sends, so the number of
series is bounded by routes × models.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.metrics.feedback import feedback_counts
from gateway.metrics.numbers import Counts, Spreads

PREFIX: Final = "gateway"
NO_LABEL: Final = "none"
"""Stands for route, arm and model of a request that was refused before they were known."""

MODEL_SECONDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0,
)  # fmt: skip
"""From a cached classification on a GPU to a long answer that is about to be given up."""

OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1)
"""What the gateway itself adds."""

SCORES: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 1.0)
"""Finer where fine-tuned models live."""


class _Gauges:
    """The children of one labelled gauge, looked up once and kept."""

    __slots__ = ("_known", "_make")

    def __init__(self, gauge: Gauge) -> None:
        self._known: dict[tuple[str, ...], Gauge] = {}
        self._make: Callable[..., Gauge] = gauge.labels

    def __call__(self, *labels: str) -> Gauge:
        child = self._known.get(labels)
        if child is None:
            child = self._known[labels] = self._make(*labels)
        return child


class WorkerState:
    """What a worker's process is like, beside the requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.breaker_state = _Gauges(
            Gauge(f"{PREFIX}_breaker_state", "0 closed, 1 half open, 2 open", ["model"], registry=registry)
        )
        self.inflight = Gauge(f"{PREFIX}_inflight_requests", "Requests being answered now", registry=registry)
        self.records_dropped = Counter(
            f"{PREFIX}_records_dropped", "Records lost because the store was away for too long", registry=registry
        )
        self.records_queued = Gauge(f"{PREFIX}_records_queued", "Records waiting for the store", registry=registry)


class DataPlaneMetrics:
    """What a worker counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, histogram = partial(_counter, registry), partial(_histogram, registry)
        self.requests = counter(
            "requests", "Requests by the arm they were assigned to, the model that answered, and how they ended",
            "route", "arm", "model", "outcome",
        )  # fmt: skip
        self.assignments = counter("assignments", "Requests by the arm that the split gave them", "route", "arm")
        self.fallbacks = counter("fallbacks", "Requests that the arm did not answer well", "route", "arm", "reason")
        self.duration = histogram(
            "request_duration_seconds", "From the arrival of a request to the end of its answer", MODEL_SECONDS,
            "route", "arm",
        )  # fmt: skip
        self.first_token = histogram(
            "time_to_first_token_seconds", "From the arrival of a streamed request to its first content", MODEL_SECONDS,
            "route", "model",
        )  # fmt: skip
        self.overhead = histogram(
            "overhead_seconds", "What the gateway itself adds to a request, without waiting for models",
            OVERHEAD_SECONDS, "route",
        )  # fmt: skip
        self.attempts = counter("attempts", "Calls to models, by how they ended", "route", "model", "result")
        self.tokens = counter("tokens", "Tokens by what they are billed as", "route", "model", "kind", "purpose")
        self.cost_usd = counter("cost_usd", "Money spent on models, in US dollars", "route", "model", "purpose")
        self.unpriced = counter("unpriced_requests", "Attempts at models whose price is unknown", "model")
        self._judging(counter, histogram)
        self.feedback = feedback_counts(registry)
        self.state = WorkerState(registry)

    def _judging(self, counter: Callable[..., Counts], histogram: Callable[..., Spreads]) -> None:
        """What answers were found to be worth."""
        self.gate_failures = counter(
            "gate_failures", "Answers that are none, by the hard gate that they did not pass; no score was asked",
            "route", "model", "gate",
        )  # fmt: skip
        self.confidence = histogram(
            "confidence", "Confidence of answers; the score where there is no calibration", SCORES, "route", "model"
        )
        self.confidence_missing = counter(
            "confidence_missing", "Answers that came without usable log-probabilities", "route", "model"
        )
        self.late_low_confidence = counter(
            "late_low_confidence", "Whole streams that were doubtful when they were out already", "route", "model"
        )
        self.audits = counter(
            "audits", "Requests drawn for an audit, by the arm and by what became of it", "route", "model", "result"
        )
        self.shadows = counter(
            "shadows", "Requests drawn for a shadow, by the model it is sent to and by what became of it",
            "route", "model", "result",
        )  # fmt: skip


def _counter(registry: CollectorRegistry, name: str, help: str, *labels: str) -> Counts:
    return Counts(f"{PREFIX}_{name}", help, labels, registry)


def _histogram(registry: CollectorRegistry, name: str, help: str, bounds: tuple[float, ...], *labels: str) -> Spreads:
    return Spreads(f"{PREFIX}_{name}", help, labels, registry, bounds=bounds)
