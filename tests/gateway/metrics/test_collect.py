"""Counters add up over all processes, dead or alive, and never go down; gauges are of the living."""

import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.clock import now_us
from gateway.metrics.collect import WritersCollector
from gateway.metrics.publish import RegistryPublisher
from gateway.metrics.writers import RETIRE_AFTER_S, WriterFiles

NOBODY = 2**22 + 1
"""Above the greatest process id there can be."""


class Worker:
    """A process's metrics, without the process."""

    def __init__(self, directory: Path, writer_id: str, buckets: tuple[float, ...] = (0.1, 1.0)) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("gateway_requests", "Requests.", ["route"], registry=self.registry)
        self.inflight = Gauge("gateway_inflight_requests", "In flight.", registry=self.registry)
        self.breaker = Gauge("gateway_breaker_state", "Breaker.", ["model"], registry=self.registry)
        self.revision = Gauge("gateway_config_revision", "Revision.", registry=self.registry)
        self.seconds = Histogram("gateway_overhead_seconds", "Overhead.", registry=self.registry, buckets=buckets)
        self.publisher = RegistryPublisher(self.registry, directory, writer_id)
        self.path = directory / f"{writer_id}.json"

    def serve(self, requests: int = 1) -> "Worker":
        self.requests.labels("support").inc(requests)
        self.seconds.observe(0.05)
        self.publisher.publish()
        return self

    def age(self, seconds: float) -> None:
        then = now_us() / 1e6 - seconds
        os.utime(self.path, (then, then))

    def die(self) -> None:
        """As after SIGKILL, long ago."""
        self.path.write_bytes(self.path.read_bytes().replace(f'"pid":{os.getpid()}'.encode(), b'"pid":%d' % NOBODY))
        self.age(RETIRE_AFTER_S + 1)


@pytest.fixture
def files(tmp_path: Path) -> WriterFiles:
    return WriterFiles(tmp_path)


@pytest.fixture
def page(files: WriterFiles) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(WritersCollector(files))
    return registry


def requests(page: CollectorRegistry) -> float | None:
    return page.get_sample_value("gateway_requests_total", {"route": "support"})


def test_counters_and_histograms_are_the_sum_over_processes(tmp_path: Path, page: CollectorRegistry) -> None:
    Worker(tmp_path, "w1").serve(3)
    Worker(tmp_path, "w2").serve(4)
    assert requests(page) == 7
    assert page.get_sample_value("gateway_overhead_seconds_count") == 2
    assert page.get_sample_value("gateway_overhead_seconds_bucket", {"le": "0.1"}) == 2


def test_gauges_follow_their_rules_over_live_processes(tmp_path: Path, page: CollectorRegistry) -> None:
    for number, worker in enumerate([Worker(tmp_path, "w1"), Worker(tmp_path, "w2")]):
        worker.inflight.set(3 + number)
        worker.breaker.labels("support-v1").set(2 * number)
        worker.revision.set(7 + number)
        worker.publisher.publish()
    assert page.get_sample_value("gateway_inflight_requests") == 7
    assert page.get_sample_value("gateway_breaker_state", {"model": "support-v1"}) == 2
    assert page.get_sample_value("gateway_config_revision") == 7


def test_a_dead_process_keeps_its_counts_and_loses_its_gauges(tmp_path: Path, page: CollectorRegistry) -> None:
    dead = Worker(tmp_path, "w1").serve(3)
    dead.inflight.set(5)
    dead.publisher.publish(final=True)
    Worker(tmp_path, "w2").serve(4)
    assert requests(page) == 7
    assert page.get_sample_value("gateway_inflight_requests") == 0


def test_a_silent_process_loses_its_gauges_until_it_speaks_again(tmp_path: Path, page: CollectorRegistry) -> None:
    worker = Worker(tmp_path, "w1").serve(3)
    worker.age(6)
    assert page.get_sample_value("gateway_inflight_requests") is None
    worker.publisher.publish()
    assert page.get_sample_value("gateway_inflight_requests") == 0


def test_nothing_is_written_after_the_final_word(tmp_path: Path, page: CollectorRegistry) -> None:
    worker = Worker(tmp_path, "w1").serve()
    worker.publisher.publish(final=True)
    worker.serve()
    assert requests(page) == 1


def test_retiring_changes_no_sum_and_leaves_one_file(
    tmp_path: Path, files: WriterFiles, page: CollectorRegistry
) -> None:
    for name in ("w1", "w2"):
        Worker(tmp_path, name).serve(3).die()
    Worker(tmp_path, "w3").serve(4)
    before = generate_latest(page)
    assert files.retire() == 2
    assert generate_latest(page) == before
    assert {path.name for path in tmp_path.glob("*")} == {"retired.json", "w3.json"}


def test_retiring_again_and_again_counts_everyone_once(
    tmp_path: Path, files: WriterFiles, page: CollectorRegistry
) -> None:
    for number in range(5):
        Worker(tmp_path, f"w{number}").serve(2).die()
        files.retire()
        assert requests(page) == 2 * (number + 1)


def test_a_crash_between_merging_and_deleting_counts_nothing_twice(
    tmp_path: Path, files: WriterFiles, page: CollectorRegistry
) -> None:
    worker = Worker(tmp_path, "w1").serve(3)
    worker.die()
    left_behind, at = worker.path.read_bytes(), worker.path.stat().st_mtime
    files.retire()
    worker.path.write_bytes(left_behind)
    os.utime(worker.path, (at, at))
    assert requests(page) == 3
    assert files.retire() == 0
    assert not worker.path.exists()
    assert requests(page) == 3


def test_a_process_that_still_exists_is_never_retired(tmp_path: Path, files: WriterFiles) -> None:
    Worker(tmp_path, "w1").serve().age(RETIRE_AFTER_S * 100)
    assert files.retire() == 0


def test_counts_in_other_buckets_are_not_mixed_in(tmp_path: Path, page: CollectorRegistry) -> None:
    old = Worker(tmp_path, "old", buckets=(0.5, 5.0)).serve(3)
    old.age(30)
    Worker(tmp_path, "new").serve(1)
    assert requests(page) == 4
    assert page.get_sample_value("gateway_overhead_seconds_count") == 1
    assert page.get_sample_value("gateway_overhead_seconds_bucket", {"le": "0.5"}) is None


def test_a_broken_file_is_left_out_and_said_once(
    tmp_path: Path, page: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    Worker(tmp_path, "w1").serve(3)
    (tmp_path / "w2.json").write_bytes(b'{"writer_id": "w2", "pi')
    assert requests(page) == 3
    assert requests(page) == 3
    assert len(caplog.records) == 1


def test_the_page_is_plain_prometheus_text(tmp_path: Path, page: CollectorRegistry) -> None:
    Worker(tmp_path, "w1").serve(3)
    text = generate_latest(page).decode()
    assert "# TYPE gateway_requests_total counter\n" in text
    assert 'gateway_requests_total{route="support"} 3.0\n' in text
    assert "_created" not in text


def test_no_directory_is_an_empty_page(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(WritersCollector(WriterFiles(tmp_path / "none")))
    assert generate_latest(registry) == b""
