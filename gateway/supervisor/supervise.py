"""The supervisor's loop: signals, deaths and timers, until everything has ended.

RUNNING --SIGTERM, SIGINT--> DRAINING (workers finish what is in flight) --> CLOSING (the control plane) --> ENDED
                                 '--- a second signal, or overdue: killed ----------------------------------^
"""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from gateway.supervisor.child import Child
from gateway.supervisor.signals import Signals

WORKERS_GRACE_S = 3.0
CONTROL_GRACE_S = 2.0
"""Beyond the drain, before they are killed; together they keep the end within five seconds of it."""
READY_POLL_S = 0.1

log = logging.getLogger(__name__)


class Stage(StrEnum):
    """What the supervisor is doing."""

    RUNNING = "running"
    DRAINING = "draining"
    CLOSING = "closing"
    ENDED = "ended"


class Supervisor:
    """Keeps workers and the control plane running."""

    def __init__(
        self,
        *,
        workers: Sequence[Child],
        control: Child | None,
        drain_s: float,
        is_ready: Callable[[], bool],
        on_ended: Callable[[Child], None],
    ) -> None:
        """Nothing is started yet.

        Args:
            workers: the processes of the data plane, and
            control: that of the control plane, where they run here.
            drain_s: how long workers may finish what is in flight.
            is_ready: asked again and again until it is true for the first time; it tells the operator by itself.
            on_ended: told of each worker that has ended.
        """
        self._workers = workers
        self._on_ended = on_ended
        self._control = control
        self._drain_s = drain_s
        self._is_ready = is_ready
        self._stage = Stage.RUNNING
        self._deadline_s = float("inf")
        self._was_ready = False
        self._was_killed = False

    def run(self, signals: Signals) -> int:
        """Run until told to end; the exit code. Signals are those that arrive from now on."""
        while self._stage is not Stage.ENDED:
            now_s = time.monotonic()
            for child in self._children:
                child.start_if_due(now_s)
            for number in signals.wait(self._timeout_s(now_s)):
                self._on_signal(number)
            self._reap()
            self._advance()
            if self._stage is Stage.RUNNING and not self._was_ready:
                self._was_ready = self._is_ready()
        return 1 if self._was_killed else 0

    @property
    def _children(self) -> list[Child]:
        return [*self._workers, *([self._control] if self._control else [])]

    def _timeout_s(self, now_s: float) -> float | None:
        moments = [child.due_s for child in self._children if child.due_s is not None]
        if self._stage is not Stage.RUNNING:
            moments.append(self._deadline_s)
        elif not self._was_ready:
            moments.append(now_s + READY_POLL_S)
        return max(0.0, min(moments) - now_s) if moments else None

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP and self._control is not None:
            self._control.send(signal.SIGHUP)
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._stage is Stage.RUNNING:
                self._drain()
            else:
                log.warning("told to end a second time: killing what still runs")
                self._kill(self._children)

    def _drain(self) -> None:
        running = [worker.name for worker in self._workers if worker.is_running]
        if running:
            log.info("ending; requests in flight may take up to %g s more", self._drain_s)
        self._stage = Stage.DRAINING
        self._deadline_s = time.monotonic() + self._drain_s + WORKERS_GRACE_S
        for child in self._children:
            child.give_up()
        for worker in self._workers:
            worker.send(signal.SIGTERM)

    def _reap(self) -> None:
        now_s = time.monotonic()
        for child in self._children:
            if child.reap(now_s, restarts=self._stage is Stage.RUNNING) and child is not self._control:
                self._on_ended(child)

    def _advance(self) -> None:
        if self._stage is Stage.DRAINING:
            if any(worker.is_running for worker in self._workers):
                self._kill_overdue(self._workers)
            else:
                self._stage = Stage.CLOSING
                self._deadline_s = time.monotonic() + CONTROL_GRACE_S
                if self._control is not None:
                    self._control.send(signal.SIGTERM)
        if self._stage is Stage.CLOSING:
            if self._control is not None and self._control.is_running:
                self._kill_overdue([self._control])
            else:
                self._stage = Stage.ENDED

    def _kill_overdue(self, children: Sequence[Child]) -> None:
        if time.monotonic() >= self._deadline_s:
            log.warning("not ended in time, killed: %s", ", ".join(c.name for c in children if c.is_running))
            self._kill(children)

    def _kill(self, children: Sequence[Child]) -> None:
        self._was_killed = True
        self._deadline_s = float("inf")
        for child in children:
            child.send(signal.SIGKILL)
