"""From the facts of a finished request to the metrics."""

from collections.abc import Sequence
from typing import Final

from gateway.exchange.bill import Bill
from gateway.exchange.facts import Attempt, Exchange
from gateway.metrics.families import NO_LABEL, DataPlaneMetrics
from routing.words import HardGate, Reason

_GATES: Final = {
    Reason.ERROR: HardGate.TRANSPORT,
    Reason.TIMEOUT: HardGate.TRANSPORT,
    Reason.INVALID: HardGate.INVALID_STRUCTURE,
}


def observe(metrics: DataPlaneMetrics, exchange: Exchange, bills: Sequence[Bill], ended_s: float, own_s: float) -> None:
    """Count one request. Called once, whatever became of it. `own_s`: see `overhead_s`."""
    route, arm = exchange.route.name, exchange.assignment.arm
    model = exchange.served.model if exchange.served is not None else NO_LABEL
    metrics.requests(route, arm, model, exchange.outcome).inc()
    if exchange.assignment.bucket is not None and not exchange.is_forced:
        metrics.assignments(route, arm).inc()
    metrics.duration(route, arm).observe(ended_s - exchange.started_s)
    metrics.overhead(route).observe(own_s)
    if exchange.reason is not None and len(exchange.attempts) > 1:
        metrics.fallbacks(route, arm, exchange.reason).inc()
    if exchange.inquiry.is_stream and exchange.committed_s is not None:
        metrics.first_token(route, model).observe(exchange.committed_s - exchange.started_s)
    for attempt, bill in zip(exchange.attempts, bills, strict=True):
        _observe_attempt(metrics, route, attempt, bill)


def overhead_s(exchange: Exchange, ended_s: float) -> float:
    """The time in which no model was being waited for.

    Of a stream, which is read and sent at once, only what came before the first attempt and between attempts counts,
    and what came after the last event.
    """
    own_s = ended_s - exchange.started_s
    for attempt in exchange.attempts:
        own_s -= (ended_s if attempt.ended_s is None else attempt.ended_s) - attempt.started_s
    return max(0.0, own_s)


def hard_gate(attempt: Attempt) -> HardGate | None:
    """The gate before any score that an attempt did not pass, if there is one."""
    if attempt.flaw is not None:
        return HardGate(attempt.flaw)
    if attempt.error is None:
        return None
    return _GATES.get(attempt.error.reason)


def _observe_attempt(metrics: DataPlaneMetrics, route: str, attempt: Attempt, bill: Bill) -> None:
    model = attempt.model
    metrics.attempts(route, model, attempt.result).inc()
    gate = hard_gate(attempt)
    if gate is not None:
        metrics.gate_failures(route, model, gate).inc()
    _observe_confidence(metrics, route, attempt)
    if attempt.usage is None:
        return
    for kind, tokens in bill.tokens.items():
        metrics.tokens(route, model, kind, bill.purpose).inc(tokens)
    if bill.cost_nanousd is None:
        metrics.unpriced(model).inc()
    else:
        metrics.cost_usd(route, model, bill.purpose).inc(bill.cost_nanousd / 1e9)


def _observe_confidence(metrics: DataPlaneMetrics, route: str, attempt: Attempt) -> None:
    model, judgement = attempt.model, attempt.late or attempt.judgement
    if judgement is not None:
        if attempt.late is not None and judgement.is_doubtful:
            metrics.late_low_confidence(route, model).inc()
        if judgement.confidence is None:
            metrics.confidence_missing(route, model).inc()
        else:
            metrics.confidence(route, model).observe(judgement.confidence)
