"""From the facts of a finished request to its record: one row, and one for each attempt."""

from collections.abc import Sequence

import msgspec

from gateway.exchange.bill import Bill
from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.headers import UNCALIBRATED
from gateway.exchange.observe import overhead_s
from gateway.records.rows import AttemptRow, RequestRow
from routing.assignment.buckets import unit_hash
from routing.confidence.features import Features, as_row

_WHOLE, _PREFIX = "whole", "prefix"
_NOT_JUDGED = (None,) * 11
_encode = msgspec.json.Encoder().encode


def record_of(exchange: Exchange, bills: Sequence[Bill], ended_s: float) -> tuple[RequestRow, list[AttemptRow]]:
    """What is kept. Neither prompt nor answer, and of the unit only a keyed hash."""
    # Put together from groups of columns in the table's order: naming some forty fields would cost several times more.
    row = RequestRow._make(
        (*_who(exchange), *_how(exchange), *_worth(exchange), *_when(exchange, ended_s), _total(bills))
    )
    return row, [
        _attempt_row(exchange, attempt, bill, ended_s) for attempt, bill in zip(exchange.attempts, bills, strict=True)
    ]


def _who(exchange: Exchange) -> tuple[object, ...]:
    """request_id, tenant, route, arm, model, key_name, endpoint, is_stream, unit_hash, unit_place, bucket."""
    assignment, unit, tenant = exchange.assignment, exchange.unit, exchange.key.tenant
    return (
        exchange.head.request_id,
        tenant,
        exchange.route.name,
        assignment.arm,
        exchange.served.model if exchange.served is not None else None,
        exchange.key.name,
        exchange.path,
        exchange.inquiry.is_stream,
        unit_hash(exchange.live.unit_secret, tenant, unit.value),
        unit.place,
        assignment.bucket,
    )


def _how(exchange: Exchange) -> tuple[object, ...]:
    """revision, ranges_revision, propensity, is_forced, outcome, reason, status, attempts, finish_reason."""
    return (
        exchange.live.revision,
        exchange.route.ranges_revision,
        exchange.assignment.propensity,
        exchange.is_forced,
        exchange.outcome,
        exchange.reason,
        exchange.status,
        len(exchange.attempts),
        exchange.served.finish_reason if exchange.served is not None else None,
    )


def _worth(exchange: Exchange) -> tuple[object, ...]:
    """answer_id, and from confidence_mode to audit_propensity."""
    judgement = exchange.arm_judgement
    propensity = None if exchange.audit is None else exchange.audit.propensity
    if judgement is None:
        return (*_NOT_JUDGED, propensity)
    arm = exchange.attempts[0]
    late = arm.late
    by_prefix = arm.is_judged_by_prefix
    return (
        None,
        exchange.policy.gate.mode,
        _PREFIX if by_prefix else _WHOLE,
        judgement.score_name,
        judgement.score,
        judgement.confidence,
        (judgement.calibration or UNCALIBRATED) if judgement.score is not None else None,
        judgement.threshold,
        late.confidence if late is not None and by_prefix else None,
        features_text(arm.prefix),
        features_text(late.features if late is not None else None if by_prefix else judgement.features),
        propensity,
    )


def _when(exchange: Exchange, ended_s: float) -> tuple[int, int, int | None, int]:
    """started_us, duration_us, first_token_us, overhead_us."""
    committed_s, started_s = exchange.committed_s, exchange.started_s
    return (
        exchange.head.arrived_us,
        _us(ended_s - started_s),
        None if committed_s is None else _us(committed_s - started_s),
        _us(overhead_s(exchange, ended_s)),
    )


def _attempt_row(exchange: Exchange, attempt: Attempt, bill: Bill, ended_s: float) -> AttemptRow:
    usage, judgement = attempt.usage, attempt.judgement
    over_s = ended_s if attempt.ended_s is None else attempt.ended_s
    return AttemptRow(
        request_id=exchange.head.request_id,
        number=attempt.number,
        model=attempt.model,
        purpose=bill.purpose,
        result=attempt.result,
        reason=attempt.error.reason if attempt.error is not None else None,
        upstream_status=attempt.error.upstream_status if attempt.error is not None else 200,
        started_us=exchange.head.arrived_us + _us(attempt.started_s - exchange.started_s),
        duration_us=_us(over_s - attempt.started_s),
        first_token_us=None if attempt.first_token_s is None else _us(attempt.first_token_s - attempt.started_s),
        input_tokens=usage.input if usage else None,
        cached_input_tokens=usage.cached_input if usage else None,
        cache_write_tokens=usage.cache_write if usage else None,
        output_tokens=usage.output if usage else None,
        reasoning_tokens=usage.reasoning if usage else None,
        usage_estimated=usage.is_estimated if usage else False,
        cost_nanousd=bill.cost_nanousd,
        price_version=bill.price_version,
        score=judgement.score if judgement is not None else None,
    )


def features_text(features: Features | None) -> str | None:
    """Features as records keep them."""
    return None if features is None else _encode(as_row(features)).decode()


def _total(bills: Sequence[Bill]) -> int | None:
    """The whole cost, unknown if any part of it is."""
    total = 0
    for bill in bills:
        if bill.cost_nanousd is None:
            return None
        total += bill.cost_nanousd
    return total


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
