"""From a worker's counts to slices in the store, every few seconds, by a thread of its own.

    counted -> waiting: one slice an arm; what is counted meanwhile is added to it
    waiting -> offered: with a number, which it keeps until the store has it for certain
    offered -> gone

While the store is away or slow nothing is lost, nothing counts twice, and memory does not grow: an arm has one slice
that is offered and one that waits, however long that takes.
"""

import logging
import threading
import time
from typing import Final

from gateway.drift.collector import Arm, Collector, Gathered
from gateway.store import drift
from gateway.store.drift import Slice
from gateway.store.engine import Store, open_store
from gateway.store.errors import StoreError

EVERY_S: Final = 5.0
_RETRY_S: Final = 0.1
"""Between tries when the process ends."""
_log = logging.getLogger(__name__)


class HandOver:
    """Hands over what a collector has counted. A worker that is killed loses what it counted in the last seconds."""

    def __init__(self, store: Store, writer_id: str, collector: Collector, every_s: float = EVERY_S) -> None:
        """`writer_id` names this process among all that ever write to the store."""
        self._store = store
        self._writer_id = writer_id
        self._collector = collector
        self._every_s = every_s
        self._waiting: dict[Arm, Slice] = {}
        self._offered: list[Slice] = []
        self._seq = 1
        self._is_cut_off = False
        self._ending = threading.Event()
        self._deadline_s = 0.0
        self._thread = threading.Thread(target=self._run, name="fallgate-drift", daemon=True)

    @property
    def waiting(self) -> int:
        """Requests that are not known to be in the store's slices, of those that were taken from the collector."""
        return sum(one.summary.seen for one in (*self._waiting.values(), *self._offered))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self, timeout_s: float) -> None:
        """Begin to hand over all there is, for at most about `timeout_s` from now."""
        self._deadline_s = time.monotonic() + timeout_s
        self._ending.set()

    def join(self) -> None:
        """Wait for the end; what is left then is lost, and said."""
        self._thread.join(max(0.0, self._deadline_s - time.monotonic()))
        lost = self.waiting
        if lost:
            _log.error("what drift has counted of %d requests is lost: the store did not answer", lost)

    def hand_over(self) -> bool:
        """Hand over what was counted until now; whether the store has all of it."""
        self._add(self._collector.gathered())
        while self._waiting or self._offered:
            if not self._offered:
                # In this order, so that nothing is in neither while another thread counts.
                self._offered, self._waiting = list(self._waiting.values()), {}
            try:
                drift.hand_over(self._store, self._writer_id, self._seq, self._offered)
            except StoreError as error:
                if not self._is_cut_off:
                    _log.warning("what drift has counted waits in memory: %s", error)
                self._is_cut_off = True
                return False
            self._seq += 1
            self._offered = []
        if self._is_cut_off:
            _log.info("what drift has counted is handed over again")
        self._is_cut_off = False
        return True

    def _add(self, gathered: Gathered) -> None:
        for (route, model), gatherer in gathered.arms.items():
            new = Slice(route, model, gathered.began_us, gathered.ended_us, gatherer.take())
            known = self._waiting.get((route, model))
            self._waiting[route, model] = new if known is None else _joined(known, new)

    def _run(self) -> None:
        try:
            while not self._ending.wait(self._every_s):
                self.hand_over()
            while not self.hand_over() and time.monotonic() < self._deadline_s:
                time.sleep(_RETRY_S)
        finally:
            self._store.close()


def handing_over(store_url: str, writer_id: str, collector: Collector) -> HandOver:
    """What hands over to the store at an address. It is yet to be started."""
    return HandOver(open_store(store_url), writer_id, collector)


def _joined(one: Slice, other: Slice) -> Slice:
    """Both as one. Names of rare pieces are let go, so that it does not grow: its bins have them all."""
    return one._replace(ended_us=other.ended_us, summary=(one.summary + other.summary).cut())
