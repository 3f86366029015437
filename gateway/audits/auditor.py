"""A worker's audits: drawn when a request begins, made in the background once its client has its answer."""

from enum import StrEnum
from typing import Final

from gateway.audits.audit import Audit, AuditResult
from gateway.audits.drawn import AuditPlan
from gateway.background.counting import count_row
from gateway.background.desk import Desk
from gateway.background.drawn import Drawn
from gateway.data.live import LiveRoute
from gateway.exchange.facts import Exchange
from gateway.records.rows import AuditOutcome, LabelRow
from gateway.store.labels import AUDIT_AGREEMENT, LabelSource
from routing.words import Purpose

IN_FLIGHT: Final = 4
"""Audits at a time, of all routes."""


class Auditor(Desk[AuditPlan, Audit]):
    """Draws, and audits what was drawn."""

    purpose = Purpose.AUDIT
    done = "audited"
    skipped = AuditResult.SKIPPED
    refused = AuditResult.SKIPPED
    failed = AuditResult.FAILED

    def plan_of(self, route: LiveRoute) -> AuditPlan | None:
        """How a route's requests are audited, if they are."""
        return route.audit

    def drawn_of(self, exchange: Exchange) -> Drawn[AuditPlan] | None:
        """How a request was drawn, if it was."""
        return exchange.audit

    def line(self, exchange: Exchange, plan: AuditPlan) -> tuple[str, int]:
        """All audits are one line."""
        return "", IN_FLIGHT

    def begin(self, exchange: Exchange, drawn: Drawn[AuditPlan]) -> Audit:
        """Audit one request."""
        return Audit(exchange, drawn, self.breakers, self.clock)

    def close(self, exchange: Exchange, drawn: Drawn[AuditPlan], spent_nanousd: int) -> None:
        """Give back what was held for an audit that is over, and with it a stream that nobody will hear out now."""
        super().close(exchange, drawn, spent_nanousd)
        if exchange.unfinished is not None:
            exchange.unfinished.close()
            exchange.unfinished = None

    def leave(self, exchange: Exchange, drawn: Drawn[AuditPlan], job: Audit) -> None:
        """Hand over what there is to keep, and count what it cost."""
        label, calls = None, job.calls
        if job.comparison is not None and job.comparison.agrees is not None:
            label = self._label(exchange, drawn, agrees=job.comparison.agrees)
            self.note_cost(exchange, calls.spent_nanousd)
        if label is None and not calls.rows and job.whole_features is None:
            return
        self.records.put_later(
            AuditOutcome(
                request_id=exchange.head.request_id,
                attempts=calls.rows,
                label=label,
                whole_features=job.whole_features,
            )
        )
        for row in calls.rows:
            count_row(self.metrics, exchange.route.name, row)

    def count(self, exchange: Exchange, plan: AuditPlan, result: StrEnum) -> None:
        """Count it by the arm whose answer it is about."""
        self.metrics.audits(exchange.route.name, exchange.assignment.arm, result).inc()

    def _label(self, exchange: Exchange, drawn: Drawn[AuditPlan], *, agrees: bool) -> LabelRow:
        return LabelRow(
            request_id=exchange.head.request_id,
            metric=AUDIT_AGREEMENT,
            source=LabelSource.AUDIT,
            route=exchange.route.name,
            model=exchange.assignment.arm,
            value=float(agrees),
            propensity=drawn.propensity,
            is_weighed=True,
            made_us=self.clock(),
        )
