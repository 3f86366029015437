"""`python -m gateway.control.loops`: runs the loops, one after another, each when it is due."""

import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from types import FrameType

from gateway.control.loops.retention import RETENTION_EVERY_S, Retention
from gateway.launch import LoopsPlan, configure_logging, follow_supervisor, read_plan
from gateway.store.engine import open_store
from gateway.store.errors import StoreError

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


def run_due(loops: list[Loop], now_s: float) -> float:
    """Run what is due; the moment at which something is due next."""
    for loop in loops:
        if loop.due_s <= now_s:
            loop.due_s = now_s + (PAUSE_S if _run(loop) else loop.every_s)
    return min(loop.due_s for loop in loops)


def _run(loop: Loop) -> bool:
    try:
        return loop.run()
    except StoreError as error:
        log.warning("%s: %s", loop.name, error)
        return False


def main() -> int:
    """Run until told to end; the exit code."""
    stopping = Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    plan = read_plan(LoopsPlan)
    configure_logging(plan.log_level)
    follow_supervisor()
    retention = Retention(open_store(plan.store_url), plan.retention_days)
    loops = [Loop(name="retention", every_s=RETENTION_EVERY_S, run=retention.run)]
    while not stopping.wait(max(0.0, run_due(loops, time.monotonic()) - time.monotonic())):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
