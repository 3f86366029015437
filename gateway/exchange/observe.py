"""From the facts of a finished request to the metrics."""

from collections.abc import Sequence

from gateway.exchange.bill import Bill
from gateway.exchange.facts import Attempt, Exchange
from gateway.metrics.families import NO_LABEL, DataPlaneMetrics


def observe(metrics: DataPlaneMetrics, exchange: Exchange, bills: Sequence[Bill], ended_s: float) -> None:
    """Count one request. Called once, whatever became of it."""
    route, arm = exchange.route.name, exchange.assignment.arm
    model = exchange.served.model if exchange.served is not None else NO_LABEL
    metrics.requests(route, arm, model, exchange.outcome).inc()
    metrics.assignments(route, arm).inc()
    metrics.duration(route, arm).observe(ended_s - exchange.started_s)
    metrics.overhead(route).observe(overhead_s(exchange, ended_s))
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
    waited_s = sum(
        (ended_s if attempt.ended_s is None else attempt.ended_s) - attempt.started_s for attempt in exchange.attempts
    )
    return max(0.0, ended_s - exchange.started_s - waited_s)


def _observe_attempt(metrics: DataPlaneMetrics, route: str, attempt: Attempt, bill: Bill) -> None:
    model = attempt.model
    metrics.attempts(route, model, attempt.result).inc()
    judgement = attempt.late or attempt.judgement
    if judgement is not None:
        if judgement.confidence is None:
            metrics.confidence_missing(route, model).inc()
        else:
            metrics.confidence(route, model).observe(judgement.confidence)
    if attempt.usage is None:
        return
    for kind, tokens in bill.tokens.items():
        metrics.tokens(route, model, kind, bill.purpose).inc(tokens)
    if bill.cost_nanousd is None:
        metrics.unpriced(model).inc()
    else:
        metrics.cost_usd(route, model, bill.purpose).inc(bill.cost_nanousd / 1e9)
