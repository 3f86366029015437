"""The page of metrics: what the machine's processes counted, and what only the control plane knows."""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.control.observer import Seen
from gateway.metrics.collect import WritersCollector
from gateway.metrics.publish import RegistryPublisher
from gateway.metrics.rollbacks import rollback_times
from gateway.metrics.writers import WriterFiles
from gateway.snapshot.document import RouteEntry
from routing.assignment.buckets import BUCKETS
from routing.words import Purpose, RouteName

_OWN = frozenset(
    {
        "gateway_config_revision",
        "gateway_config_last_reload_successful",
        "gateway_config_overlay",
        "gateway_split_ratio",
    }
)

TIDY_S = 10.0

log = logging.getLogger(__name__)


class Page:
    """Rendered anew at every scrape."""

    def __init__(self, directory: Path, see: Callable[[], Seen], is_file_good: Callable[[], bool]) -> None:
        """`directory` is where the processes of this machine leave their metrics."""
        own = CollectorRegistry()
        self._count_rollback = rollback_times(own)
        self._files = WriterFiles(directory)
        # What is counted here goes the way of the workers' counts, and so outlives this process as theirs do.
        self._publisher = RegistryPublisher(own, directory, f"control-{secrets.token_hex(8)}")
        self._shown = CollectorRegistry()
        self._shown.register(WritersCollector(self._files, leave_out=_OWN))
        self._shown.register(_Settings(see, is_file_good))
        self._trouble: str | None = None
        self._tidy_at_s = 0.0

    def show(self, collector: Collector) -> None:
        """Show what somebody else knows, too."""
        self._shown.register(collector)

    def rolled_back(self, route: RouteName, seconds: float) -> None:
        """Count a roll-back that every worker has."""
        log.info("the roll-back of %s was in force on every worker after %.0f ms", route, seconds * 1000)
        self._count_rollback(route, seconds)

    def render(self) -> bytes:
        """Prometheus' text format, version 0.0.4."""
        self._attempt(self._publisher.publish)
        return generate_latest(self._shown)

    def tidy(self) -> None:
        """Merge the files of processes that are no more, every ten seconds at most."""
        if time.monotonic() >= self._tidy_at_s:
            self._tidy_at_s = time.monotonic() + TIDY_S
            self._attempt(self._files.retire)

    def close(self) -> None:
        """Leave the last counts."""
        self._attempt(lambda: self._publisher.publish(final=True))

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.warning("the runtime metrics cannot be written: %s", error)
        else:
            self._trouble = None


class _Settings(Collector):
    """Gauges of what is asked for and whether it is in force."""

    def __init__(self, see: Callable[[], Seen], is_file_good: Callable[[], bool]) -> None:
        self._see = see
        self._is_file_good = is_file_good

    def collect(self) -> Iterator[Metric]:
        """Those of which something is known."""
        seen = self._see()
        good = GaugeMetricFamily(
            "gateway_config_last_reload_successful", "Whether the configuration file, as it is now, was accepted."
        )
        good.add_metric([], float(self._is_file_good()))
        yield good
        if seen.least_revision is not None:
            revision = GaugeMetricFamily(
                "gateway_config_revision", "The least revision that a live worker has in force."
            )
            revision.add_metric([], seen.least_revision)
            yield revision
        if seen.snapshot is None:
            return
        overlay = GaugeMetricFamily(
            "gateway_config_overlay",
            "How many of a route's settings operators changed on top of the file.",
            labels=["route"],
        )
        ratio = GaugeMetricFamily(
            "gateway_split_ratio", "The share of a route's units an arm is to get.", labels=["route", "arm"]
        )
        for name, entry in seen.snapshot.document.routes.items():
            overlay.add_metric([name], len(entry.overlay))
            for arm, share in entry.split.items():
                ratio.add_metric([name, arm], share / BUCKETS)
        yield overlay
        yield ratio
        yield _planned(seen.snapshot.document.routes)


def _planned(routes: Mapping[RouteName, RouteEntry]) -> Metric:
    """What may be spent beside answering."""
    planned = GaugeMetricFamily(
        "gateway_planned_spend_usd_per_day",
        "The most that audits or shadows of a route may cost in a day (UTC), on all machines together.",
        labels=["route", "purpose"],
    )
    for name, entry in routes.items():
        for purpose, checks in ((Purpose.AUDIT, entry.audit), (Purpose.SHADOW, entry.shadow)):
            if checks is not None:
                planned.add_metric([name, purpose], checks.spend_nanousd_per_day / 1e9)
    return planned
