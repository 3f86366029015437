"""What the control plane knows without asking: the newest snapshot, the live workers, whether the store answers.

A thread looks twice a second, and twenty times a second while a roll-back is on its way to the workers, whose time it
takes. Nothing that waits for the store stands between a scrape or a health check and its answer.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event, Lock, Thread

from gateway.clock import Clock
from gateway.identity import KeyRing
from gateway.snapshot.document import Snapshot
from gateway.store import snapshots, workers
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from gateway.store.workers import WorkerReport
from routing.words import RouteName

POLL_S = 0.5
QUICK_POLL_S = 0.05
WORKER_AGE_S = 10.0
STALE_AFTER_S = 10.0
"""A store that has not answered for so long is not there."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The state of the world at the last look."""

    snapshot: Snapshot | None = None
    keys: KeyRing | None = None
    workers: tuple[WorkerReport, ...] = ()
    trouble: str | None = "it has not been looked at yet"
    """Why the store did not answer; `None` when it did."""
    at_s: float = 0.0
    """Monotonic."""

    @property
    def least_revision(self) -> int | None:
        """Of all live workers."""
        return min((worker.revision for worker in self.workers), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rollback:
    route: RouteName
    revision: int
    since_s: float


class Observer:
    """Looks at the store in a thread of its own."""

    def __init__(
        self, store: Store, clock: Clock, on_rolled_back: Callable[[RouteName, float], None], chores: Callable[[], None]
    ) -> None:
        """`on_rolled_back` is told a route and the seconds until every worker had it; `chores` run at every look."""
        self._store = store
        self._clock = clock
        self._on_rolled_back = on_rolled_back
        self._chores = chores
        self._seen = Seen()
        self._rollbacks: list[_Rollback] = []
        self._ended: list[str] = []
        self._lock = Lock()
        self._wake = Event()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="observer", daemon=True)

    @property
    def seen(self) -> Seen:
        """What was found at the last look."""
        return self._seen

    def why_not(self) -> str | None:
        """Why the control plane is not ready, without anything that a stranger should not know."""
        seen = self._seen
        if seen.trouble is not None or time.monotonic() - seen.at_s > STALE_AFTER_S:
            return "the store does not answer"
        return "no configuration has been published yet" if seen.snapshot is None else None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the look that is under way."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def expect(self, last: Snapshot) -> None:
        """Go by the keys of the snapshot that was in force here last, until the store says which is now.

        Its revision means nothing yet: the store may be another one, or restored from a backup.
        """
        with self._lock:
            self._seen = replace(self._seen, keys=KeyRing(last.document.keys))

    def learn(self, snapshot: Snapshot) -> None:
        """Take in a snapshot that was just published or read, without waiting for the next look."""
        with self._lock:
            known = self._seen.snapshot
            if known is None or known.revision < snapshot.revision:
                self._seen = replace(self._seen, snapshot=snapshot, keys=KeyRing(snapshot.document.keys))

    def time_rollback(self, route: RouteName, revision: int, since_s: float) -> None:
        """Measure until every live worker reports `revision`; `since_s` is when it was asked for, monotonic."""
        with self._lock:
            self._rollbacks.append(_Rollback(route=route, revision=revision, since_s=since_s))
        self._wake.set()

    def forget(self, writer_id: str) -> None:
        """Strike a worker that has ended, in case that it could not do so itself: nothing is to wait for it."""
        with self._lock:
            self._ended.append(writer_id)
        self._wake.set()

    def look(self) -> None:
        """Look once."""
        known = self._seen.snapshot
        try:
            while self._ended:
                workers.forget(self._store, self._ended[0])
                del self._ended[0]
            newer = snapshots.latest(self._store, known.revision if known else 0)
            alive = tuple(workers.live(self._store, self._clock(), WORKER_AGE_S))
        except StoreError as error:
            self._note_trouble(str(error))
            return
        if newer is not None:
            self.learn(newer)
        with self._lock:
            if self._seen.trouble is not None and self._seen.at_s:
                log.info("the store answers again")
            self._seen = replace(self._seen, workers=alive, trouble=None, at_s=time.monotonic())
        self._finish_rollbacks()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.look()
            self._chores()
            self._wake.wait(QUICK_POLL_S if self._rollbacks else POLL_S)
            self._wake.clear()

    def _note_trouble(self, trouble: str) -> None:
        with self._lock:
            if self._seen.trouble != trouble:
                log.warning("%s", trouble)
            self._seen = replace(self._seen, trouble=trouble, at_s=time.monotonic())

    def _finish_rollbacks(self) -> None:
        now_s = time.monotonic()
        least = self._seen.least_revision
        with self._lock:
            done = [rollback for rollback in self._rollbacks if least is None or least >= rollback.revision]
            self._rollbacks = [rollback for rollback in self._rollbacks if rollback not in done]
        for rollback in done:
            self._on_rolled_back(rollback.route, now_s - rollback.since_s)
