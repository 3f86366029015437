"""What a worker knows and counts: the snapshot in force, and what every finished request leaves."""

import logging
import os
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from gateway.audits.auditor import Auditor
from gateway.clock import now_us
from gateway.data.live import Live, build_live
from gateway.drift.collector import Collector
from gateway.exchange.bill import bill_of
from gateway.exchange.facts import Exchange
from gateway.exchange.observe import observe, overhead_s
from gateway.exchange.record import record_of
from gateway.logs.requests import RequestLog
from gateway.metrics.families import NO_LABEL, DataPlaneMetrics
from gateway.metrics.feedback import FeedbackCount
from gateway.records.rows import AttemptRow, FeedbackRow, LaterOutcome, RequestRow
from gateway.shadows.shadower import Shadower
from gateway.snapshot.document import Snapshot
from routing.assignment.concentration import Concentration
from routing.resilience.breaker import BreakerState
from routing.words import Outcome

if TYPE_CHECKING:
    from gateway.tracing.spans import RequestTracer

_BREAKER_NUMBERS: Final = {state: number for number, state in enumerate(BreakerState)}
_log = logging.getLogger(__name__)


class Records(Protocol):
    """Where records go."""

    @property
    def queued(self) -> int:
        """Records that wait for the store."""

    @property
    def dropped(self) -> int:
        """Records that were lost."""

    def put(self, row: RequestRow, attempts: Sequence[AttemptRow]) -> None:
        """Hand a record over, without waiting."""

    def put_feedback(self, row: FeedbackRow) -> bool:
        """Hand feedback over, without waiting; whether there was room for it."""

    def put_later(self, outcome: LaterOutcome) -> None:
        """Hand over what an audit or a shadow left, without waiting."""


class Traffic:
    """The data plane of one process."""

    def __init__(
        self,
        records: Records,
        metrics: DataPlaneMetrics,
        *,
        tracer: "RequestTracer | None" = None,
        request_log: RequestLog | None = None,
    ) -> None:
        self.live: Live | None = None
        self.is_draining = False
        self.clock = now_us
        self._records = records
        self._metrics = metrics
        self._tracer = tracer
        self._request_log = request_log
        self._in_flight = 0
        self._dropped = 0
        self._units: dict[str, Concentration] = {}
        self._notices: dict[str, str] = {}
        self.auditor = Auditor(records, metrics, now_us)
        self.shadower = Shadower(records, metrics, now_us)
        self.drift = Collector(now_us)

    def begin(self, exchange: Exchange) -> None:
        """An exchange begins."""
        self._in_flight += 1
        if self._tracer is not None:
            exchange.trace = self._tracer.begin(exchange)
        route = exchange.route
        if route.audit is not None:
            exchange.audit = self.auditor.draw(exchange)
        if route.shadow is not None:
            exchange.shadow = self.shadower.draw(exchange)

    def finish(self, exchange: Exchange) -> None:
        """It has ended: count it and hand its record over."""
        self._in_flight -= 1
        ended_s = monotonic()
        bills = [bill_of(exchange, attempt) for attempt in exchange.attempts]
        own_s = overhead_s(exchange, ended_s)
        observe(self._metrics, exchange, bills, ended_s, own_s)
        row, attempts = record_of(exchange, bills, ended_s, own_s)
        self._records.put(row, attempts)
        self._watch(exchange.route.name, row.unit_hash)
        self.drift.take(exchange, ended_s)
        if exchange.trace is not None:
            exchange.trace.finish(row, attempts)
        if self._request_log is not None:
            self._request_log.note(exchange, row, attempts)
        if exchange.keeps_answers:
            self.auditor.take(exchange)
            self.shadower.take(exchange)

    def refuse(self) -> None:
        """A request was refused before its route was known."""
        self._metrics.requests(NO_LABEL, NO_LABEL, NO_LABEL, Outcome.REJECTED).inc()

    def take_feedback(self, row: FeedbackRow) -> bool:
        """Hand feedback over; whether there was room for it."""
        is_taken = self._records.put_feedback(row)
        self._metrics.feedback(FeedbackCount.ACCEPTED if is_taken else FeedbackCount.TURNED_AWAY).inc()
        return is_taken

    def apply(self, snapshot: Snapshot) -> None:
        """Put a snapshot into force, for every request from now on."""
        self.live = build_live(snapshot, self.live, os.environ)
        self.auditor.follow(self.live)
        self.shadower.follow(self.live)
        self.drift.follow(self.live.routes)
        self.share(self.auditor.books.workers)
        _log.info("revision %d is in force", snapshot.revision)

    def share(self, workers: int) -> None:
        """Take a part of the traffic: moving thresholds move by how many workers see it."""
        for route in self.live.routes.values() if self.live is not None else ():
            if route.trackers.workers != workers:
                route.trackers.are_of(workers)

    def drain(self) -> None:
        """Say by `/readyz` that no new requests should come."""
        self.is_draining = True

    def measure(self, now_s: float) -> None:
        """Bring the gauges up to date. Called from another thread; only reads what requests change."""
        state, live, records = self._metrics.state, self.live, self._records
        state.inflight.set(self._in_flight)
        state.records_queued.set(records.queued)
        state.records_dropped.inc(records.dropped - self._dropped)
        self._dropped = records.dropped
        for name, model in (live.models if live is not None else {}).items():
            state.breaker_state(name).set(_BREAKER_NUMBERS[model.upstream.breaker.state(now_s)])

    def notices(self) -> list[str]:
        """What operators should know; handed over with the heartbeat."""
        return [*self._notices.values(), *self.auditor.notices(), *self.shadower.notices()]

    def _watch(self, route: str, unit_hash: str | None) -> None:
        if unit_hash is None:
            return
        share = self._units.setdefault(route, Concentration()).observe(unit_hash)
        if share is not None:
            notice = f"one unit ({unit_hash[:8]}…) makes at least {share:.0%} of the traffic of route {route}"
            self._notices[route] = notice
            _log.warning("%s; its split cannot be even", notice)
