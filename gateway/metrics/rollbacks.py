"""How long roll-backs took to reach every worker: operators', and those of experiments by themselves.

The control plane counts the former and its loops the latter. Both become one metric, so they share their buckets.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Histogram

from routing.words import RouteName

# From "at once" to "something is wrong": the promise is one second on a machine, two over replicas.
_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0, 30.0)


def rollback_times(registry: CollectorRegistry) -> Callable[[RouteName, float], None]:
    """The histogram, which adds up over the processes that have one; what is returned counts a roll-back's seconds."""
    histogram = Histogram(
        "gateway_rollback_duration_seconds",
        "Seconds from a roll-back's request, or an experiment's decision, until every live worker had it in force.",
        ["route"],
        buckets=_BUCKETS_S,
        registry=registry,
    )
    return lambda route, seconds: histogram.labels(route).observe(seconds)
