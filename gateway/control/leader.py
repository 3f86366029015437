"""What only one of several control planes does: hold the lease, let its file count, keep the loops running.

A thread, once a second. The store may be down at the start and at any time later; nothing here gives up.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from gateway.control.file import FollowedFile
from gateway.control.observer import Observer
from gateway.launch import ControlPlan, LoopsPlan, terminate_self
from gateway.snapshot.compile import from_config
from gateway.snapshot.errors import ChangeRefused
from gateway.snapshot.publish import Publisher
from gateway.store import versions
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from gateway.store.keys import NewKey, ensure_keys
from gateway.store.lease import Lease
from gateway.store.migrate import migrate
from gateway.supervisor.child import Child, python_module

LEASE = "control"
LEASE_TTL_S = 5.0
TICK_S = 1.0
WHO = "file"
"""How the audit names a change that came with the file."""
LOOPS_END_S = 1.0

log = logging.getLogger(__name__)


class Leader:
    """This replica's part in deciding whose file counts."""

    def __init__(
        self,
        *,
        plan: ControlPlan,
        store: Store,
        publisher: Publisher,
        file: FollowedFile,
        observer: Observer,
        show_keys: Callable[[list[NewKey]], None],
    ) -> None:
        """`observer` is started once the store has its tables; `show_keys` is given first keys that were just made,
        whose secrets nobody sees again.
        """
        self.file = file
        self._store = store
        self._publisher = publisher
        self._observer = observer
        self._show_keys = show_keys
        self._lease = Lease(store, LEASE, plan.holder, LEASE_TTL_S)
        self._plan = plan
        self._loops = Child("loops", python_module("gateway.control.loops"), self._start_plan)
        self._loops.give_up()
        self._running_loops: LoopsPlan | None = None
        self._held_until_s = 0.0
        self._is_migrated = False
        self._is_published = False
        self._reload = Event()
        self._wake = Event()
        self._stopping = Event()
        self._trouble: str | None = None
        self._thread = Thread(target=self._run, name="leader", daemon=True)

    @property
    def is_leading(self) -> bool:
        """Whether this replica holds the lease, as far as it can know."""
        return time.monotonic() < self._held_until_s

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def reload(self) -> None:
        """Read the file again, whether or not it looks changed. Safe in a signal handler's loop callback."""
        self._reload.set()
        self._wake.set()

    def stop(self, timeout_s: float) -> None:
        """End the loops and give the lease back, so that another replica need not wait for it."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._tick()
                self._wake.wait(TICK_S)
                self._wake.clear()
        finally:
            if not self._stopping.is_set():
                # Without this thread nobody reads the file or holds the lease: better to start anew than to seem well.
                log.critical("the control plane starts again: its leader has failed")
                terminate_self()
        self._loops.end(LOOPS_END_S)
        if self.is_leading:
            self._attempt(self._lease.release)

    def _tick(self) -> None:
        if self._reload.is_set() or self.file.has_changed():
            self._reload.clear()
            if self.file.read():
                self._is_published = False
        self._attempt(self._lead)
        self._keep_loops()

    def _lead(self) -> None:
        if not self._is_migrated:
            migrate(self._store)
            self._is_migrated = True
            self._observer.start()
        asked_s = time.monotonic()
        if not self._lease.acquire_or_renew():
            self._held_until_s = 0.0
            self._is_published = False
            return
        if not self.is_leading:
            log.info("this replica holds the lease: its file counts, and the loops run here")
        self._held_until_s = asked_s + LEASE_TTL_S
        if not self._is_published and self.file.is_read:
            self._publish()

    def _publish(self) -> None:
        loaded = self.file.loaded
        assert loaded is not None
        if not loaded.config.keys and (made := ensure_keys(self._store)):
            self._show_keys(made)
        try:
            snapshot = self._publisher.publish_file(from_config(loaded.config), WHO)
        except ChangeRefused as refused:
            self.file.conflicts(str(refused))
            return
        self._is_published = True
        self.file.fits()
        for model, lineage in loaded.lineages.items():
            versions.record(self._store, model, lineage.model_dump(mode="json", exclude_none=True))
        if snapshot is None:
            log.info("%s says what it said before", self.file.path)
        else:
            log.info("revision %d is published", snapshot.revision)
            self._observer.learn(snapshot)

    def _keep_loops(self) -> None:
        now_s = time.monotonic()
        runs_here = self.is_leading and self.file.loaded is not None
        self._loops.reap(now_s, restarts=runs_here)
        if self._loops.is_running and not (runs_here and self._loops_plan() == self._running_loops):
            self._loops.end(LOOPS_END_S)
        if runs_here:
            self._loops.want(now_s)
            self._loops.start_if_due(now_s)

    def _loops_plan(self) -> LoopsPlan:
        loaded = self.file.loaded
        assert loaded is not None
        return LoopsPlan(
            store_url=self._plan.store_url,
            coordination_url=self._plan.coordination_url,
            state_dir=self._plan.state_dir,
            retention_days=loaded.config.store.retention_days,
            log_level=self._plan.log_level,
            log_format=self._plan.log_format,
        )

    def _start_plan(self) -> LoopsPlan:
        self._running_loops = self._loops_plan()
        return self._running_loops

    def _attempt(self, act: Callable[[], None]) -> None:
        """Do something with the store; say so once where it cannot be done."""
        try:
            act()
        except StoreError as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.warning("%s", error)
        else:
            self._trouble = None
