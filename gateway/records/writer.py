"""The queue between requests and the store: bounded, never waited for, emptied by a thread of its own."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from gateway.clock import Clock, now_us
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import AttemptRow, Entry, FeedbackRow, LaterOutcome, RequestRow
from gateway.store.engine import open_store
from gateway.store.errors import StoreError

log = logging.getLogger(__name__)

BATCH_ENTRIES = 1000
BATCH_S = 0.25
_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 5.0


class RecordWriter:
    """Takes requests, feedback and what audits and shadows leave from the event loop, and writes them in batches.

    While the store is down, they wait; when `max_queued` do, new ones are not taken. What is lost when the process is
    killed is what `queued` says.
    """

    def __init__(self, store_url: str, writer_id: str, max_queued: int = 50_000, *, clock: Clock = now_us) -> None:
        """Begin to write. `writer_id` names this process among all that ever write to the store."""
        self._store = open_store(store_url)
        self._batches = BatchWriter(self._store, writer_id, clock)
        self._queue: deque[Entry] = deque()
        self._max_queued = max_queued
        self._overflowed = 0
        self._left_out = 0
        self._seq: int | None = None
        self._pending: Batch | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._deadline_s = 0.0
        self._thread = threading.Thread(target=self._run, name="fallgate-records", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Entries of any kind that are not known to be in the store yet."""
        pending = self._pending
        return len(self._queue) + (0 if pending is None else len(pending.entries))

    @property
    def dropped(self) -> int:
        """Entries that were taken, or should have been, and will never be in the store."""
        return self._overflowed + self._left_out

    def put(self, row: RequestRow, attempts: Sequence[AttemptRow]) -> None:
        """Queue a request and its attempts. Takes less than a microsecond and never waits."""
        queue = self._queue
        waiting = len(queue)
        if waiting >= self._max_queued:
            self._overflowed += 1
            return
        queue.append((row, attempts))
        if waiting == BATCH_ENTRIES:
            self._wake.set()

    def put_feedback(self, row: FeedbackRow) -> bool:
        """Queue feedback, without waiting; whether there was room. If there was none, whoever sent it is to know."""
        if len(self._queue) >= self._max_queued:
            return False
        self._queue.append(row)
        return True

    def put_later(self, outcome: LaterOutcome) -> None:
        """Queue what an audit or a shadow left, without waiting. Without room it is dropped and counted."""
        if len(self._queue) >= self._max_queued:
            self._overflowed += 1
        else:
            self._queue.append(outcome)

    def stop(self, timeout_s: float) -> None:
        """Write what is queued, for at most about `timeout_s`; what is left then is dropped and counted."""
        self._deadline_s = time.monotonic() + timeout_s
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout_s)
        lost = self.queued
        if lost:
            self._left_out += lost
            self._queue.clear()
            self._pending = None
            log.error("%d records were not written before the process ended: the store did not answer", lost)

    def _run(self) -> None:
        try:
            self._write_all()
        finally:
            self._store.close()

    def _write_all(self) -> None:
        retry_s = 0.0
        while self._goes_on():
            if not retry_s and len(self._queue) < BATCH_ENTRIES and not self._stopping.is_set():
                self._wake.wait(BATCH_S)
                self._wake.clear()
            retry_s = self._write_next(retry_s)
            if self._stopping.is_set():
                time.sleep(min(retry_s, _FIRST_RETRY_S))  # there is little time, and `_goes_on` watches it
            elif retry_s:
                self._stopping.wait(retry_s)

    def _goes_on(self) -> bool:
        if not self._stopping.is_set():
            return True
        return self.queued > 0 and time.monotonic() < self._deadline_s

    def _write_next(self, retry_s: float) -> float:
        """Write one batch, if there is one; how long to wait before the next try, 0 where there was no trouble."""
        if not self.queued:
            return 0.0
        try:
            if self._seq is None:
                self._seq = self._batches.last_seq()
            batch = self._next_batch(self._seq)
            if batch is not None:
                self._left_out += self._batches.write(batch)
                self._seq = batch.seq
                self._pending = None
        except StoreError as error:
            if not retry_s:
                log.warning("records wait in memory: %s", error)
            return min(_LAST_RETRY_S, 2 * retry_s or _FIRST_RETRY_S)
        if retry_s:
            log.info("records are written again; %d were waiting", self.queued)
        return 0.0

    def _next_batch(self, seq: int) -> Batch | None:
        if self._pending is None and self._queue:
            queue = self._queue
            # Only this thread takes from the queue, so what is counted here is still there.
            entries = [queue.popleft() for _ in range(min(BATCH_ENTRIES, len(queue)))]
            self._pending = Batch(seq=seq + 1, entries=entries)
        return self._pending
