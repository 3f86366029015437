"""The log of requests: a share of them, and every one that went wrong. Written by a thread, never by who answers.

Whoever reads the log may be slow or stuck, and a write to it then waits. No request waits for that: events that find
no room are lost, and counted.
"""

import logging
from collections import deque
from collections.abc import Sequence
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from gateway.logs.event import event_of
from gateway.logs.formats import EVENT
from gateway.records.rows import AttemptRow, RequestRow
from gateway.tracing.context import trace_id_in
from routing.assignment.buckets import draw
from routing.words import Outcome

if TYPE_CHECKING:
    from gateway.exchange.facts import Exchange

WRITE_EVERY_S: Final = 0.25
MAX_WAITING: Final = 10_000
TROUBLED: Final = frozenset({Outcome.FAILED, Outcome.INTERRUPTED, Outcome.DEGRADED})
"""What is logged whatever the share, as a warning."""
_PURPOSE: Final = "log"
log = logging.getLogger("gateway.requests")
log.setLevel(logging.INFO)  # who asks for requests gets them, however little else is logged


class RequestLog:
    """Takes in requests as they end, and logs them a moment later."""

    def __init__(self, share: float, *, max_waiting: int = MAX_WAITING) -> None:
        """`share` in (0, 1]: of the requests that went well."""
        self._share = share
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[RequestRow, Sequence[AttemptRow], str | None]] = deque()
        self._lost = 0
        self._told = 0
        self._ended = Event()
        self._thread = Thread(target=self._run, name="request log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def note(self, exchange: "Exchange", row: RequestRow, attempts: Sequence[AttemptRow]) -> None:
        """A request has ended. Takes no time; a request is drawn by its id, so that it is so everywhere."""
        if row.outcome not in TROUBLED and draw("", _PURPOSE, row.request_id) >= self._share:
            return
        if len(self._waiting) >= self._max_waiting:
            self._lost += 1
            return
        trace = exchange.trace
        trace_id = trace_id_in(exchange.head.headers) if trace is None else trace.trace_id
        self._waiting.append((row, attempts, trace_id))

    def stop(self, timeout_s: float) -> None:
        """Write what is left, for as long as that."""
        self._ended.set()
        self._thread.join(timeout_s)

    def write(self) -> None:
        """Write what waits."""
        while self._waiting:
            row, attempts, trace_id = self._waiting.popleft()
            level = logging.WARNING if row.outcome in TROUBLED else logging.INFO
            log.log(level, "request", extra={EVENT: event_of(row, attempts, trace_id)})
        if self._lost > self._told:
            lost, self._told = self._lost - self._told, self._lost
            log.warning("%d requests are missing from this log: what reads it was too slow", lost)

    def _run(self) -> None:
        while not self._ended.wait(WRITE_EVERY_S):
            self.write()
        self.write()


def open_request_log(share: float) -> RequestLog | None:
    """The log of a process, at work; `None` for a share of 0."""
    if share <= 0:
        return None
    opened = RequestLog(share)
    opened.start()
    return opened
