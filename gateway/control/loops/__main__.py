"""`python -m gateway.control.loops`: runs the loops, one after another, each when it is due.

Experiments have a thread of their own: what hurts is rolled back within seconds, also while a calibration is fitted.
"""

import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from types import FrameType

from prometheus_client import CollectorRegistry

from gateway.clock import now_us
from gateway.control.loops.calibration import CALIBRATION_EVERY_S, Calibrator
from gateway.control.loops.drift import DRIFT_EVERY_S, DriftWatch
from gateway.control.loops.experiments import EXPERIMENTS_EVERY_S, Experiments
from gateway.control.loops.idle import IDLE_EVERY_S, IdleTime
from gateway.control.loops.labels import LABELS_EVERY_S, LabelJoin
from gateway.control.loops.ledger import LEDGER_EVERY_S, Ledger
from gateway.control.loops.retention import RETENTION_EVERY_S, Retention
from gateway.control.loops.retraining import RETRAINING_EVERY_S, Retraining
from gateway.launch import LoopsPlan, configure_logging, follow_supervisor, metrics_dir, read_plan
from gateway.metrics.feedback import feedback_counts
from gateway.metrics.idle import idle_cost
from gateway.metrics.loops import LoopTimes
from gateway.metrics.publish import RegistryPublisher
from gateway.metrics.rollbacks import rollback_times
from gateway.metrics.savings import savings_counter
from gateway.snapshot.publish import Publisher
from gateway.store.engine import open_store
from gateway.store.errors import StoreError
from gateway.webhooks.sender import SEND_EVERY_S, Sender

PUBLISH_EVERY_S = 1.0
URGENT_END_S = 0.5
"""For what is under way when the process ends."""
PAUSE_S = 0.1
"""Between two pieces of one loop's work, for others who want to write."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Loop:
    """Something to be done again and again."""

    name: str
    every_s: float
    run: Callable[[], bool]
    """Does a bounded piece of work; whether there is more to do soon."""
    due_s: float = 0.0
    succeeded: Callable[[str], None] = lambda name: None
    """Is told its name after every piece of work that did not fail."""


def run_due(loops: list[Loop], now_s: float) -> float:
    """Run what is due; the moment at which something is due next."""
    for loop in loops:
        if loop.due_s <= now_s:
            loop.due_s = now_s + (PAUSE_S if _run(loop) else loop.every_s)
    return min(loop.due_s for loop in loops)


def _run(loop: Loop) -> bool:
    try:
        has_more = loop.run()
    except StoreError as error:
        log.warning("%s: %s", loop.name, error)
        return False
    loop.succeeded(loop.name)
    return has_more


def watched(loops: list[Loop], times: LoopTimes) -> list[Loop]:
    """The same loops, whose successes are on the metrics."""
    for loop in loops:
        times.watch(loop.name, loop.every_s)
        loop.succeeded = times.succeeded
    return loops


def main() -> int:
    """Run until told to end; the exit code."""
    stopping = Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    plan = read_plan(LoopsPlan)
    configure_logging(plan.log_level, plan.log_format)
    for chatty in ("httpx", "httpcore"):  # they name whole addresses, whose path may be a secret
        logging.getLogger(chatty).setLevel(logging.WARNING)
    follow_supervisor()
    registry = CollectorRegistry()
    publisher = RegistryPublisher(registry, metrics_dir(plan.state_dir), f"loops-{secrets.token_hex(8)}")
    times = LoopTimes(registry)
    loops = watched(build_loops(plan, registry), times)
    loops.append(Loop(name="metrics", every_s=PUBLISH_EVERY_S, run=lambda: _publish(publisher, final=False)))
    beside = [
        _beside("experiments", watched(build_urgent_loops(plan, registry), times), stopping),
        _beside("webhooks", watched(build_webhooks(plan), times), stopping),
    ]
    run_until(loops, stopping)
    _publish(publisher, final=True)
    for thread in beside:
        thread.join(URGENT_END_S)
    return 0


def _beside(name: str, loops: list[Loop], stopping: Event) -> Thread:
    """Loops in a thread of their own, which is started."""
    thread = Thread(target=run_until, args=(loops, stopping), name=name, daemon=True)
    thread.start()
    return thread


def run_until(loops: list[Loop], stopping: Event) -> None:
    """Run loops when they are due. Should one of them fail, the whole process ends, to be started anew."""
    try:
        while not stopping.wait(max(0.0, run_due(loops, time.monotonic()) - time.monotonic())):
            pass
    finally:
        stopping.set()


def build_loops(plan: LoopsPlan, registry: CollectorRegistry) -> list[Loop]:
    """Everything that is to be done again and again."""
    store = open_store(plan.store_url)
    feedback = feedback_counts(registry)
    idle_usd = idle_cost(registry)
    idle = IdleTime(store, plan.retention_days, lambda model, nanousd: idle_usd(model).inc(nanousd / 1e9))
    saved_usd = savings_counter(registry)
    ledger = Ledger(store, lambda route, nanousd: saved_usd(route).inc(nanousd / 1e9))
    retention = Retention(store, plan.retention_days)
    labels = LabelJoin(store, lambda state, how_many: feedback(state).inc(how_many))
    calibrator = Calibrator(store, Publisher(store, now_us, coordination_url=plan.coordination_url))
    return [
        Loop(name="labels", every_s=LABELS_EVERY_S, run=labels.run),
        Loop(name="calibration", every_s=CALIBRATION_EVERY_S, run=calibrator.run),
        Loop(name="idle time", every_s=IDLE_EVERY_S, run=idle.run),
        Loop(name="drift", every_s=DRIFT_EVERY_S, run=DriftWatch(store).run),
        Loop(name="ledger", every_s=LEDGER_EVERY_S, run=ledger.run),
        Loop(name="retention", every_s=RETENTION_EVERY_S, run=retention.run),
        Loop(name="retraining", every_s=RETRAINING_EVERY_S, run=Retraining(store).run),
    ]


def build_urgent_loops(plan: LoopsPlan, registry: CollectorRegistry) -> list[Loop]:
    """Those that nothing may keep waiting."""
    store = open_store(plan.store_url)
    publisher = Publisher(store, now_us, coordination_url=plan.coordination_url)
    experiments = Experiments(store, publisher, rollback_times(registry))
    return [Loop(name="experiments", every_s=EXPERIMENTS_EVERY_S, run=experiments.run)]


def build_webhooks(plan: LoopsPlan) -> list[Loop]:
    """What waits for receivers outside, so that nothing else waits for them."""
    sender = Sender(open_store(plan.store_url), os.environ)
    return [Loop(name="webhooks", every_s=SEND_EVERY_S, run=sender.run)]


def _publish(publisher: RegistryPublisher, *, final: bool) -> bool:
    """Hand the counts to this machine's control plane."""
    try:
        publisher.publish(final=final)
    except OSError as error:
        log.warning("the metrics could not be written to the state directory: %s", error.strerror)
    return False


if __name__ == "__main__":
    sys.exit(main())
