"""The loops put together, and what they count."""

from prometheus_client import CollectorRegistry

from gateway.clock import now_us
from gateway.control.loops.__main__ import Loop, build_loops, run_due, watched
from gateway.launch import LoopsPlan
from gateway.metrics.loops import LoopTimes
from gateway.records.batches import Batch, BatchWriter
from gateway.store.engine import Store
from gateway.store.errors import StoreUnavailable
from tests.fakes.records import feedback_row, request_id, served_row


def test_what_is_joined_and_refused_is_counted(sqlite_store: Store) -> None:
    at_us = now_us()
    row = served_row(1)._replace(request_id=request_id(1, at_us), started_us=at_us)
    said = [
        feedback_row(number, request_id=row.request_id, received_us=at_us, key_name=name)
        for number, name in enumerate(["app", "app", "another"])
    ]
    BatchWriter(sqlite_store, "w", now_us).write(Batch(seq=1, entries=[(row, []), *said]))
    url = f"sqlite:///{sqlite_store.path}"
    registry = CollectorRegistry()
    plan = LoopsPlan(store_url=url, state_dir="unused", retention_days=90, log_level="info")

    loops = build_loops(plan, registry)
    next_s = run_due(loops, 100.0)

    assert next_s > 100.0
    assert registry.get_sample_value("gateway_feedback_total", {"state": "joined"}) == 2
    assert registry.get_sample_value("gateway_feedback_total", {"state": "refused"}) == 1


def test_a_loop_that_fails_grows_old_and_one_that_succeeds_does_not() -> None:
    registry, clock = CollectorRegistry(), iter((100, 200, 300))

    def fail() -> bool:
        raise StoreUnavailable("the store is away")

    loops = [Loop(name="bad", every_s=5.0, run=fail), Loop(name="good", every_s=7.0, run=lambda: False)]
    watched(loops, LoopTimes(registry, lambda: next(clock) * 1_000_000))
    run_due(loops, 100.0)

    def last(loop: str) -> float | None:
        return registry.get_sample_value("gateway_loop_last_success_timestamp_seconds", {"loop": loop})

    assert (last("bad"), last("good")) == (100, 300)
    assert registry.get_sample_value("gateway_loop_interval_seconds", {"loop": "good"}) == 7
