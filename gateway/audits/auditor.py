"""A worker's audits: drawn when a request begins, made in the background once its client has its answer."""

import asyncio
import logging
from asyncio import Queue
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol

from gateway.audits.audit import Audit
from gateway.audits.books import Books
from gateway.audits.calls import AuditBreakers
from gateway.audits.drawn import AuditPlan, Drawn
from gateway.clock import Clock
from gateway.data.live import Live
from gateway.exchange.facts import Exchange
from gateway.metrics.families import DataPlaneMetrics
from gateway.records.rows import AttemptRow, AuditOutcome, LabelRow
from gateway.store.labels import AUDIT_AGREEMENT, LabelSource
from routing.audit import sample
from routing.audit.spend import reserve_for
from routing.audit.verdict import Comparison
from routing.cost.prices import Price, price_at
from routing.words import ModelName, TokenKind
from serving.errors import NotAdmitted, UpstreamError

IN_FLIGHT: Final = 4
"""Audits at a time."""
MAX_WAITING: Final = 64
"""Requests that are drawn and not audited yet, those that are still being answered among them."""
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
"""Of their bodies, which are kept until then."""
_log = logging.getLogger(__name__)


class AuditResult(StrEnum):
    """What became of a request that was to be audited."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    UNDEFINED = "undefined"
    """The answers could not be compared: there is no label."""
    SKIPPED = "skipped"
    """There was no money or no room, or a model may not be asked now."""
    FAILED = "failed"
    """The large model or the judge did not answer."""


_RESULTS: Final[Mapping[bool | None, AuditResult]] = {
    True: AuditResult.AGREED,
    False: AuditResult.DISAGREED,
    None: AuditResult.UNDEFINED,
}
_KINDS: Final = (
    (TokenKind.CACHED_INPUT, "cached_input_tokens"),
    (TokenKind.CACHE_WRITE, "cache_write_tokens"),
    (TokenKind.REASONING, "reasoning_tokens"),
)


class AuditRecords(Protocol):
    """Where audits leave what they found."""

    def put_audit(self, outcome: AuditOutcome) -> None:
        """Hand it over, without waiting."""


class Auditor:
    """Draws, and audits what was drawn. Everything but `run` takes no time."""

    def __init__(self, records: AuditRecords, metrics: DataPlaneMetrics, clock: Clock) -> None:
        self.books = Books()
        self._records = records
        self._metrics = metrics
        self._clock = clock
        self._breakers = AuditBreakers()
        self._queue: Queue[tuple[Exchange, Drawn]] = Queue()
        self._waiting = 0
        self._waiting_bytes = 0
        self._live: Live | None = None

    def follow(self, live: Live) -> None:
        """Audit by a new snapshot."""
        self._live = live
        plans = {route.name: (route.audit, route.arms) for route in live.routes.values() if route.audit is not None}
        self.books.follow(plans, self._clock())

    def notices(self) -> list[str]:
        """What operators should know."""
        live = self._live
        if live is None:
            return []
        found = [(name, self._unpriced(live, route.audit)) for name, route in live.routes.items()]
        return [
            f"route {name} is not audited: without a price of {' and '.join(models)} nobody knows when its "
            "spend_usd_per_day is reached; set it in models"
            for name, models in found
            if models
        ]

    def _unpriced(self, live: Live, plan: AuditPlan | None) -> list[ModelName]:
        now_us = self._clock()
        asked = [] if plan is None else _asked(plan)
        return [model for model in asked if price_at(live.models[model].prices, now_us) is None]

    def draw(self, exchange: Exchange) -> Drawn | None:
        """Draw a request that begins, or not. `None` also where it cannot be audited."""
        plan = exchange.route.audit
        if plan is None or exchange.is_forced or exchange.inquiry.choices != 1:
            return None
        route, arm = exchange.route.name, exchange.assignment.arm
        book = self.books.routes.get(route)
        known = book.arms.get(arm) if book is not None else None
        if book is None or known is None:
            return None
        known.seen += 1
        if not sample.draw(exchange.route.allocation.salt, exchange.head.request_id, known.share):
            return None
        size_bytes = exchange.inquiry.size_bytes
        reserved = _reserve(plan, exchange)
        if reserved is None:
            return None
        book.note_reserve(reserved)
        has_room = self._waiting < MAX_WAITING and self._waiting_bytes + size_bytes <= MAX_WAITING_BYTES
        if not has_room or not book.allowance.reserve(reserved):
            self._count(exchange, AuditResult.SKIPPED)
            return None
        self._waiting += 1
        self._waiting_bytes += size_bytes
        return Drawn(
            plan=plan,
            propensity=known.share,
            allowance=book.allowance,
            reserved_nanousd=reserved,
            size_bytes=size_bytes,
        )

    def take(self, exchange: Exchange) -> None:
        """Audit a request that was drawn and has ended, as soon as there is time."""
        if exchange.audit is not None:
            self._queue.put_nowait((exchange, exchange.audit))

    async def run(self) -> None:
        """Audit until cancelled; what waits then is dropped, and what is under way is broken off."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(self._work())
        finally:
            while not self._queue.empty():
                exchange, drawn = self._queue.get_nowait()
                self._close(exchange, drawn, 0)
                self._count(exchange, AuditResult.SKIPPED)

    async def until_idle(self) -> None:
        """Wait until all that was taken is audited."""
        await self._queue.join()

    async def _work(self) -> None:
        while True:
            exchange, drawn = await self._queue.get()
            try:
                await self._audit(exchange, drawn)
            except Exception:  # noqa: BLE001 - an audit that goes wrong must not end the worker and the requests in it
                _log.exception("the audit of request %s failed", exchange.head.request_id)
            finally:
                self._queue.task_done()

    async def _audit(self, exchange: Exchange, drawn: Drawn) -> None:
        audit = Audit(exchange, drawn, self._breakers, self._clock)
        comparison, result = None, AuditResult.FAILED
        try:
            comparison = await audit.compare()
            result = _RESULTS[comparison.agrees]
        except NotAdmitted:
            result = AuditResult.SKIPPED
        except UpstreamError as error:
            _log.info("the audit of request %s failed: %s", exchange.head.request_id, error)
        finally:
            self._close(exchange, drawn, audit.calls.spent_nanousd)
            self._leave(exchange, drawn, audit, comparison)
            self._count(exchange, result)

    def _close(self, exchange: Exchange, drawn: Drawn, spent_nanousd: int) -> None:
        """Give back what was held for an audit that is over."""
        self._waiting -= 1
        self._waiting_bytes -= drawn.size_bytes
        drawn.allowance.settle(drawn.reserved_nanousd, spent_nanousd)
        if exchange.unfinished is not None:
            exchange.unfinished.close()
            exchange.unfinished = None

    def _leave(self, exchange: Exchange, drawn: Drawn, audit: Audit, comparison: Comparison | None) -> None:
        """Hand over what there is to keep, and count what it cost."""
        label = None
        if comparison is not None and comparison.agrees is not None:
            label = self._label(exchange, drawn, agrees=comparison.agrees)
            book = self.books.routes.get(exchange.route.name)
            if book is not None:
                book.note_cost(audit.calls.spent_nanousd)
        if label is None and not audit.calls.rows and audit.whole_features is None:
            return
        self._records.put_audit(
            AuditOutcome(
                request_id=exchange.head.request_id,
                attempts=audit.calls.rows,
                label=label,
                whole_features=audit.whole_features,
            )
        )
        for row in audit.calls.rows:
            self._count_row(exchange.route.name, row)

    def _label(self, exchange: Exchange, drawn: Drawn, *, agrees: bool) -> LabelRow:
        return LabelRow(
            request_id=exchange.head.request_id,
            metric=AUDIT_AGREEMENT,
            source=LabelSource.AUDIT,
            route=exchange.route.name,
            model=exchange.assignment.arm,
            value=float(agrees),
            propensity=drawn.propensity,
            is_weighed=True,
            made_us=self._clock(),
        )

    def _count(self, exchange: Exchange, result: AuditResult) -> None:
        self._metrics.audits(exchange.route.name, exchange.assignment.arm, result).inc()

    def _count_row(self, route: str, row: AttemptRow) -> None:
        """Count one call by what its row says, so that the two add up."""
        metrics = self._metrics
        metrics.attempts(route, row.model, row.result).inc()
        if row.input_tokens is None or row.output_tokens is None:
            return
        parts = {kind: getattr(row, column) for kind, column in _KINDS}
        parts[TokenKind.INPUT] = row.input_tokens - parts[TokenKind.CACHED_INPUT] - parts[TokenKind.CACHE_WRITE]
        parts[TokenKind.OUTPUT] = row.output_tokens - parts[TokenKind.REASONING]
        for kind, tokens in parts.items():
            if tokens > 0:
                metrics.tokens(route, row.model, kind, row.purpose).inc(tokens)
        if row.cost_nanousd is None:
            metrics.unpriced(row.model).inc()
        else:
            metrics.cost_usd(route, row.model, row.purpose).inc(row.cost_nanousd / 1e9)


def _asked(plan: AuditPlan) -> list[ModelName]:
    """The models that an audit pays for."""
    return [plan.large] if plan.judge is None else [plan.large, plan.judge]


def _reserve(plan: AuditPlan, exchange: Exchange) -> int | None:
    """What to set aside for an audit, in nano-dollars; `None` where a price is unknown."""
    prices: list[Price] = []
    for name in _asked(plan):
        price = price_at(exchange.live.models[name].prices, exchange.head.arrived_us)
        if price is None:
            return None
        prices.append(price)
    return reserve_for(exchange.inquiry.body, exchange.inquiry.size_bytes, prices[0], prices[1] if prices[1:] else None)
