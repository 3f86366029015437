"""When each loop of the control plane last did its work, for those who wonder why nothing happens."""

from prometheus_client import CollectorRegistry, Gauge

from gateway.clock import Clock, now_us


class LoopTimes:
    """Gauges of every loop of one process. May be called from several threads."""

    def __init__(self, registry: CollectorRegistry, clock: Clock = now_us) -> None:
        self._clock = clock
        self._success = Gauge(
            "gateway_loop_last_success_timestamp_seconds",
            "When a loop last did a piece of its work; before the first, when its process began",
            ["loop"],
            registry=registry,
        )
        self._interval = Gauge(
            "gateway_loop_interval_seconds", "How long a loop waits between two pieces of work", ["loop"],
            registry=registry,
        )  # fmt: skip

    def watch(self, loop: str, interval_s: float) -> None:
        """There is such a loop. Its time begins now, so that one that never succeeds grows old as well."""
        self._interval.labels(loop).set(interval_s)
        self.succeeded(loop)

    def succeeded(self, loop: str) -> None:
        """It did a piece of its work, or found that there is none."""
        self._success.labels(loop).set(self._clock() / 1e6)
