"""From the facts of a finished request to its record: one row, and one for each attempt."""

from collections.abc import Sequence

import msgspec

from gateway.exchange.bill import Bill
from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.headers import UNCALIBRATED
from gateway.records.rows import AttemptRow, RequestRow
from routing.assignment.buckets import unit_hash
from routing.confidence.features import Features, as_row
from routing.cost.prices import Usage

_WHOLE, _PREFIX = "whole", "prefix"
_NOT_USED = (None, None, None, None, None, False)
_NOT_JUDGED = (None,) * 10
MAX_ANSWER_ID_CHARS = 256
"""Of what an upstream may call an answer, as much is kept."""
_encode = msgspec.json.Encoder().encode


def record_of(
    exchange: Exchange, bills: Sequence[Bill], ended_s: float, own_s: float
) -> tuple[RequestRow, list[AttemptRow]]:
    """What is kept. Neither prompt nor answer, and of the unit only a keyed hash. `own_s`: see `overhead_s`."""
    # Put together from groups of columns in the table's order: naming some forty fields would cost several times more.
    row = RequestRow._make(
        (*_who(exchange), *_how(exchange), *_worth(exchange), *_when(exchange, ended_s, own_s), _total(bills))
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
        # Without a bucket no ranges decided, and no experiment takes the request for one of its own.
        exchange.route.ranges_revision if exchange.assignment.bucket is not None else None,
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
    answer_id = _foreign_id(exchange)
    judgement = exchange.arm_judgement
    propensity = None if exchange.audit is None else exchange.audit.propensity
    if judgement is None:
        return (answer_id, *_NOT_JUDGED, propensity)
    arm = exchange.attempts[0]
    late = arm.late
    by_prefix = arm.is_judged_by_prefix
    return (
        answer_id,
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


def _foreign_id(exchange: Exchange) -> str | None:
    """The id of the answer that was served, unless it is made of the request's, as vLLM does it."""
    served = exchange.served
    if served is None or served.answer_id is None or served.answer_id.endswith(exchange.head.request_id):
        return None
    return served.answer_id[:MAX_ANSWER_ID_CHARS]


def _when(exchange: Exchange, ended_s: float, own_s: float) -> tuple[int, int, int | None, int]:
    """started_us, duration_us, first_token_us, overhead_us."""
    committed_s, started_s = exchange.committed_s, exchange.started_s
    return (
        exchange.head.arrived_us,
        _us(ended_s - started_s),
        None if committed_s is None else _us(committed_s - started_s),
        _us(own_s),
    )


def _attempt_row(exchange: Exchange, attempt: Attempt, bill: Bill, ended_s: float) -> AttemptRow:
    """In the order of the row's fields: see above."""
    error, judgement, started_s = attempt.error, attempt.judgement or attempt.late, attempt.started_s
    over_s = ended_s if attempt.ended_s is None else attempt.ended_s
    what = (
        exchange.head.request_id,
        attempt.number,
        attempt.model,
        bill.purpose,
        attempt.result,
        None if error is None else error.reason,
        200 if error is None else error.upstream_status,
    )
    times = (
        exchange.head.arrived_us + _us(started_s - exchange.started_s),
        _us(over_s - started_s),
        None if attempt.first_token_s is None else _us(attempt.first_token_s - started_s),
    )
    score = None if judgement is None else judgement.score
    return AttemptRow._make((*what, *times, *_used(attempt.usage), bill.cost_nanousd, bill.price_version, score))


def _used(usage: Usage | None) -> tuple[int | None, int | None, int | None, int | None, int | None, bool]:
    """input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated."""
    if usage is None:
        return _NOT_USED
    return usage.input, usage.cached_input, usage.cache_write, usage.output, usage.reasoning, usage.is_estimated


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
