"""The event of a request: a fixed set of keys, made of its record, which has neither prompt nor answer nor secret."""

from collections.abc import Callable, Sequence
from typing import TypedDict

from gateway.exchange.finish_reason import shown_finish_reason
from gateway.records.rows import AttemptRow, RequestRow


class RequestEvent(TypedDict):
    """What is logged of one request. Every key is always there; `None` is what is not known or does not apply."""

    request_id: str
    trace_id: str | None
    tenant: str
    key: str | None
    """The name of the client's key."""
    route: str
    arm: str | None
    model: str | None
    """Who answered."""
    endpoint: str
    stream: bool
    bucket: int | None
    revision: int
    outcome: str
    reason: str | None
    status: int | None
    attempts: int
    finish_reason: str | None
    score_name: str | None
    score: float | None
    confidence: float | None
    threshold: float | None
    duration_ms: float
    first_token_ms: float | None
    overhead_ms: float | None
    input_tokens: int
    """Tokens are of all attempts."""
    cached_input_tokens: int
    output_tokens: int
    usage_estimated: bool
    cost_usd: float | None
    """Of all attempts; `None` where the price of one is not known."""


def event_of(row: RequestRow, attempts: Sequence[AttemptRow], trace_id: str | None) -> RequestEvent:
    """The event of a request that has ended."""

    def total(of: Callable[[AttemptRow], int | None]) -> int:
        return sum(of(attempt) or 0 for attempt in attempts)

    return RequestEvent(
        request_id=row.request_id,
        trace_id=trace_id,
        tenant=row.tenant,
        key=row.key_name,
        route=row.route,
        arm=row.arm,
        model=row.model,
        endpoint=row.endpoint,
        stream=row.is_stream,
        bucket=row.bucket,
        revision=row.revision,
        outcome=str(row.outcome),
        reason=None if row.reason is None else str(row.reason),
        status=row.status,
        attempts=row.attempts,
        finish_reason=shown_finish_reason(row.finish_reason),
        score_name=None if row.score_name is None else str(row.score_name),
        score=row.score,
        confidence=row.confidence,
        threshold=row.threshold,
        duration_ms=row.duration_us / 1000,
        first_token_ms=_ms(row.first_token_us),
        overhead_ms=_ms(row.overhead_us),
        input_tokens=total(lambda attempt: attempt.input_tokens),
        cached_input_tokens=total(lambda attempt: attempt.cached_input_tokens),
        output_tokens=total(lambda attempt: attempt.output_tokens),
        usage_estimated=any(attempt.usage_estimated for attempt in attempts),
        cost_usd=None if row.cost_nanousd is None else row.cost_nanousd / 1e9,
    )


def _ms(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1000
