"""Metrics that are plain numbers until somebody collects them.

The client library takes a lock for every update, which several threads may make; here only the event loop writes, and
the thread that publishes reads. A count is then an addition, and an observation a bisection. What is collected are the
library's own families, so that nothing behind this page can tell the difference.
"""

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from math import inf
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

MOST_CHILDREN: Final = 2_000
"""Sets of label values of one family in one process. Labels come from the configuration, so this is a last resort."""
OTHER: Final = "other"
"""The value of every label of what is over that."""

CAPPED: Final = "gateway_series_capped"
CAPPED_HELP: Final = f"Counted under `{OTHER}`, since a metric had its {MOST_CHILDREN} sets of label values"


class Count:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add to it."""
        self.value += amount


class Spread:
    """A histogram. Its buckets are kept apart, and added up when they are collected."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """`bounds` ascend and end with infinity; a value belongs to the first that is not less."""
        self._bounds = bounds
        self.counts = [0] * len(bounds)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Take in one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


Child = TypeVar("Child", Count, Spread)


class _Family(Collector, Generic[Child]):
    """One metric and its children, by the values of its labels; a child is made when it is first asked for.

    There are `MOST_CHILDREN` at most. Further values count together, under `other`, and how often that happened is in
    `gateway_series_capped_total{metric}`, which every family has, so that the first time is seen as a rate.
    """

    def __init__(self, name: str, help: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        self._name = name
        self._help = help
        self._labels = labels
        self._children: dict[tuple[str, ...], Child] = {}
        self._capped = 0
        registry.register(self)

    def __call__(self, *labels: str) -> Child:
        """The child with these values, or the one of all others where there are too many."""
        child = self._children.get(labels)
        return self._added(labels) if child is None else child

    def _added(self, labels: tuple[str, ...]) -> Child:
        if len(self._children) >= MOST_CHILDREN:
            self._capped += 1
            labels = (OTHER,) * len(labels)
        return self._children.setdefault(labels, self._make())

    def describe(self) -> Iterator[Metric]:
        """Its names, for the registry; nothing of its numbers."""
        yield self._empty()

    def collect(self) -> Iterator[Metric]:
        """The numbers as they are now. May be called from another thread."""
        metric = self._empty()
        for labels, child in list(self._children.items()):
            self._add(metric, [str(label) for label in labels], child)
        yield metric
        capped = CounterMetricFamily(CAPPED, CAPPED_HELP, labels=["metric"])
        capped.add_metric([self._name], self._capped)
        yield capped

    @abstractmethod
    def _make(self) -> Child:
        """A child that has counted nothing."""

    @abstractmethod
    def _empty(self) -> Metric:
        """The library's family, without samples."""

    @abstractmethod
    def _add(self, metric: Metric, labels: list[str], child: Child) -> None:
        """Put the samples of one child into it."""


class Counts(_Family[Count]):
    """A counter with labels."""

    def _make(self) -> Count:
        return Count()

    def _empty(self) -> Metric:
        return CounterMetricFamily(self._name, self._help, labels=self._labels)

    def _add(self, metric: Metric, labels: list[str], child: Count) -> None:
        metric.add_sample(f"{self._name}_total", dict(zip(self._labels, labels, strict=True)), child.value)


class Spreads(_Family[Spread]):
    """A histogram with labels."""

    def __init__(
        self, name: str, help: str, labels: tuple[str, ...], registry: CollectorRegistry, *, bounds: tuple[float, ...]
    ) -> None:
        """`bounds` ascend; infinity is put behind them."""
        self._bounds = (*bounds, inf)
        super().__init__(name, help, labels, registry)

    def _make(self) -> Spread:
        return Spread(self._bounds)

    def _empty(self) -> Metric:
        return HistogramMetricFamily(self._name, self._help, labels=self._labels)

    def _add(self, metric: Metric, labels: list[str], child: Spread) -> None:
        assert isinstance(metric, HistogramMetricFamily)
        names = ["+Inf" if bound == inf else str(bound) for bound in self._bounds]
        metric.add_metric(labels, list(zip(names, accumulate(child.counts), strict=True)), child.total)
