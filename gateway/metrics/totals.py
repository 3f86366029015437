"""One page from the metrics of many processes: what they counted adds up, what they are doing now is of the living.

counters, histograms    the sum over every process there ever was; a dead one's last file stays, or was retired
gauges                  over live processes only, each by its rule
"""

import operator
from collections.abc import Callable, Iterable

from prometheus_client import Metric

from gateway.metrics.publish import FamilyEntry, SampleEntry

GAUGE_RULES: dict[str, Callable[[float, float], float]] = {
    "gateway_inflight_requests": operator.add,
    "gateway_records_queued": operator.add,
    "gateway_breaker_state": max,
    "gateway_config_revision": min,
}
"""How a gauge of several processes becomes one number. A gauge that is not here shows its greatest value."""

_ADDED = frozenset({"counter", "histogram", "summary"})

_Labels = tuple[tuple[str, str], ...]


class Total:
    """One metric, added up over processes. The first one seen, which is the newest, says how it looks."""

    __slots__ = ("_bounds", "help", "kind", "name", "samples")

    def __init__(self, family: FamilyEntry) -> None:
        self.name = family.name
        self.kind = family.kind
        self.help = family.help
        self.samples: dict[tuple[str, _Labels], float] = {}
        self._bounds = _bounds_of(family)

    def add(self, family: FamilyEntry) -> None:
        """Take in another process's samples.

        A metric that changed its kind, or a histogram whose bounds changed, with an upgrade, starts anew: what was
        counted in other buckets cannot be added.
        """
        bounds = _bounds_of(family)
        if family.kind != self.kind or (bounds and self._bounds and bounds != self._bounds):
            return
        self._bounds = self._bounds or bounds
        combine = operator.add if self.kind in _ADDED else GAUGE_RULES.get(self.name, max)
        for sample in family.samples:
            if sample.value is None:
                continue
            key = (sample.name, tuple(sorted(sample.labels.items())))
            before = self.samples.get(key)
            self.samples[key] = sample.value if before is None else combine(before, sample.value)

    def to_family(self) -> FamilyEntry:
        """As a file holds it."""
        samples = [SampleEntry(name, dict(labels), value) for (name, labels), value in self.samples.items()]
        return FamilyEntry(self.name, self.kind, self.help, samples)

    def to_metric(self) -> Metric:
        """As the Prometheus client writes it."""
        metric = Metric(self.name, self.help, self.kind)
        for (name, labels), value in self.samples.items():
            metric.add_sample(name, dict(labels), value)
        return metric


def add_up(sources: Iterable[tuple[Iterable[FamilyEntry], bool]]) -> dict[str, Total]:
    """Totals by metric name, from (families, whether their process is alive), the newest first."""
    totals: dict[str, Total] = {}
    for families, is_live in sources:
        for family in families:
            if is_live or family.kind in _ADDED:
                totals.setdefault(family.name, Total(family)).add(family)
    return totals


def _bounds_of(family: FamilyEntry) -> frozenset[str]:
    if family.kind != "histogram":
        return frozenset()
    return frozenset(sample.labels["le"] for sample in family.samples if "le" in sample.labels)
