"""How a worker learns of new snapshots: a thread that looks, hands over, keeps and reports."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.clock import Clock, now_us
from gateway.launch import terminate_self
from gateway.snapshot.announce import Listener
from gateway.snapshot.document import Snapshot
from gateway.snapshot.kept import is_of_same_store, keep, kept
from gateway.store import snapshots, workers
from gateway.store.engine import open_store
from gateway.store.errors import StoreError, StoreRefused
from gateway.store.workers import WorkerReport

log = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
_SQLITE_POLL_S = 0.2
_POSTGRES_POLL_S = 0.25
_LONGEST_RETRY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What the worker last said of itself."""

    revision: int = 0
    loaded_us: int = 0
    is_ready: bool = False


class Follower:
    """Follows the store from a worker, in a thread with a connection of its own.

    A store that goes away changes nothing: the worker serves what it has, and the thread catches up when it returns.
    Each snapshot that is handed over has a higher revision than the one before, except that what was kept of another
    store, such as one that was made anew, gives way to the first that is published in this one.
    """

    def __init__(
        self,
        store_url: str,
        state_dir: Path,
        writer_id: str,
        coordination_url: str | None = None,
        *,
        clock: Clock = now_us,
        start_timeout_s: float = 2.0,
    ) -> None:
        """Nothing happens before `start`.

        Args:
            store_url: where snapshots are published.
            state_dir: where the last one in force is kept.
            writer_id: names this process in `workers`.
            coordination_url: a Redis or Valkey that announces new revisions.
            clock: tells the time of reports.
            start_timeout_s: how long a start waits for the store before it takes what was kept.
        """
        self._store = open_store(store_url)
        self._state_dir = state_dir
        self._writer_id = writer_id
        self._clock = clock
        self._started_us = clock()
        self._start_timeout_s = start_timeout_s
        self._handed: Snapshot | None = None
        self._unreadable: str | None = None
        self._kept: Snapshot | None = None
        self._may_be_foreign = False
        """What is in force was kept, and may be of another store."""
        self._standing = _Standing()
        self._reported: _Standing | None = None
        self._changing = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._listener = None if coordination_url is None else Listener(coordination_url, self._wake.set)

    def start(
        self, on_snapshot: Callable[[Snapshot], object], notices: Callable[[], Sequence[str]] = list[str]
    ) -> None:
        """Begin to follow.

        Args:
            on_snapshot: called in the follower's thread with each new snapshot; must not block.
            notices: sentences for the operator, asked for with every report.
        """
        arguments = (on_snapshot, notices)
        self._thread = threading.Thread(target=self._run, args=arguments, name="fallgate-follower", daemon=True)
        self._thread.start()
        if self._listener is not None:
            self._listener.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End, and strike this worker from `workers` if the store answers in time."""
        self._stopping.set()
        self._wake.set()
        if self._listener is not None:
            self._listener.stop()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def acknowledge(self, revision: int) -> None:
        """The worker's requests see this revision from now on. Callable from any thread; reported at once."""
        with self._changing:
            is_ready = self._standing.is_ready or self._standing.revision == 0
            self._standing = _Standing(revision=revision, loaded_us=self._clock(), is_ready=is_ready)
        self._wake.set()

    def set_ready(self, is_ready: bool) -> None:  # noqa: FBT001
        """Whether the worker takes requests. It does from its first acknowledged snapshot on, until told otherwise."""
        with self._changing:
            self._standing = replace(self._standing, is_ready=is_ready)
        self._wake.set()

    def _run(self, on_snapshot: Callable[[Snapshot], object], notices: Callable[[], Sequence[str]]) -> None:
        try:
            self._follow(on_snapshot, notices)
        finally:
            if not self._stopping.is_set():
                # A worker that follows no more would keep an old split for ever, and seem well.
                log.critical("this worker starts again: it cannot follow the configuration any more")
                terminate_self()
            self._leave()

    def _follow(self, on_snapshot: Callable[[Snapshot], object], notices: Callable[[], Sequence[str]]) -> None:
        may_use_kept_at_s: float | None = time.monotonic() + self._start_timeout_s
        next_report_s = retry_s = 0.0
        while not self._stopping.is_set():
            try:
                self._look(on_snapshot)
                may_use_kept_at_s = None
                if self._standing != self._reported or time.monotonic() >= next_report_s:
                    self._report(notices())
                    next_report_s = time.monotonic() + HEARTBEAT_S
                if retry_s:
                    log.info("the store answers again")
                retry_s = 0.0
            except StoreError as error:
                if not retry_s:
                    # At the first start of all, the control plane is just making the store.
                    level = logging.INFO if may_use_kept_at_s is not None else logging.WARNING
                    log.log(level, "no news of the configuration: %s", error)
                retry_s = min(_LONGEST_RETRY_S, 2 * retry_s or self._poll_s)
            if may_use_kept_at_s is not None and time.monotonic() >= may_use_kept_at_s:
                may_use_kept_at_s = None
                self._use_kept(on_snapshot)
            self._keep()
            pause_s = retry_s or self._poll_s
            if may_use_kept_at_s is not None:
                pause_s = min(pause_s, max(0.0, may_use_kept_at_s - time.monotonic()))
            self._wake.wait(pause_s)
            self._wake.clear()

    @property
    def _poll_s(self) -> float:
        return _POSTGRES_POLL_S if self._store.is_postgres else _SQLITE_POLL_S

    def _look(self, on_snapshot: Callable[[Snapshot], object]) -> None:
        known = self._handed
        try:
            newest = snapshots.latest(self._store, 0 if known is None or self._may_be_foreign else known.revision)
        except StoreRefused as error:
            if self._unreadable is None:
                log.error("%s", error)
                self._unreadable = str(error)
                self._reported = None
            return
        self._unreadable = None
        if newest is None:
            return
        self._may_be_foreign = False
        if known is not None and is_of_same_store(known, newest) and known.revision >= newest.revision:
            return
        self._handed = newest
        on_snapshot(newest)

    def _use_kept(self, on_snapshot: Callable[[Snapshot], object]) -> None:
        last = kept(self._state_dir)
        if last is not None:
            log.warning("the store does not answer; serving revision %d, which was in force last", last.revision)
            self._kept = last
            self._handed = last
            self._may_be_foreign = True
            on_snapshot(last)
        else:
            log.warning("the store does not answer, and no configuration was kept; waiting for the store")

    def _keep(self) -> None:
        """Keep what is in force: a snapshot that was handed over and acknowledged."""
        handed = self._handed
        if handed is None or handed is self._kept or handed.revision != self._standing.revision:
            return
        self._kept = handed
        try:
            keep(self._state_dir, handed)
        except OSError as error:
            log.error("state_dir: revision %d is not kept for a start without the store: %s", handed.revision, error)

    def _report(self, notices: Sequence[str]) -> None:
        standing = self._standing
        workers.report(
            self._store,
            WorkerReport(
                writer_id=self._writer_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                revision=standing.revision,
                loaded_us=standing.loaded_us,
                heartbeat_us=self._clock(),
                started_us=self._started_us,
                ready=standing.is_ready,
                notices=[*notices, *([] if self._unreadable is None else [self._unreadable])],
            ),
        )
        self._reported = standing

    def _leave(self) -> None:
        try:
            workers.forget(self._store, self._writer_id)
        except StoreError as error:
            log.info("this worker stays listed until its last report is old: %s", error)
        finally:
            self._store.close()
