"""From the facts of a finished request to its record: one row, and one for each attempt."""

from collections.abc import Sequence

from gateway.exchange.bill import Bill
from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.observe import overhead_s
from gateway.records.rows import AttemptRow, RequestRow
from routing.assignment.buckets import unit_hash
from routing.confidence.tally import Features

UNCALIBRATED = "none"
_NO_FEATURES = (None, None, None, None)


def record_of(exchange: Exchange, bills: Sequence[Bill], ended_s: float) -> tuple[RequestRow, list[AttemptRow]]:
    """What is kept. Neither prompt nor answer, and of the unit only a keyed hash."""
    judgement = exchange.arm_judgement
    first, served = exchange.attempts[0] if exchange.attempts else None, exchange.served
    prefix = _features(first.prefix if first is not None else None)
    whole = _features(judgement.features if judgement is not None else None)
    score = judgement.score if judgement is not None else None
    row = RequestRow(
        request_id=exchange.head.request_id,
        tenant=exchange.key.tenant,
        route=exchange.route.name,
        arm=exchange.assignment.arm,
        model=served.model if served is not None else None,
        key_name=exchange.key.name,
        endpoint=exchange.path,
        is_stream=exchange.inquiry.is_stream,
        unit_hash=unit_hash(exchange.live.unit_secret, exchange.key.tenant, exchange.unit.value),
        unit_place=exchange.unit.place,
        bucket=exchange.assignment.bucket,
        revision=exchange.live.revision,
        ranges_revision=exchange.route.ranges_revision,
        propensity=exchange.assignment.propensity,
        is_forced=exchange.is_forced,
        outcome=exchange.outcome,
        reason=exchange.reason,
        status=exchange.status,
        attempts=len(exchange.attempts),
        finish_reason=served.finish_reason if served is not None else None,
        score_name=judgement.score_name if judgement is not None else None,
        score=score,
        confidence=score,
        calibration=UNCALIBRATED if score is not None else None,
        threshold=judgement.threshold if judgement is not None else None,
        prefix_tokens=prefix[0],
        prefix_sum_logprob=prefix[1],
        prefix_min_logprob=prefix[2],
        prefix_first_logprob=prefix[3],
        whole_tokens=whole[0],
        whole_sum_logprob=whole[1],
        whole_min_logprob=whole[2],
        whole_first_logprob=whole[3],
        started_us=exchange.head.arrived_us,
        duration_us=_us(ended_s - exchange.started_s),
        first_token_us=None if exchange.committed_s is None else _us(exchange.committed_s - exchange.started_s),
        overhead_us=_us(overhead_s(exchange, ended_s)),
        cost_nanousd=_total(bills),
    )
    return row, [
        _attempt_row(exchange, attempt, bill, ended_s) for attempt, bill in zip(exchange.attempts, bills, strict=True)
    ]


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


def _features(features: Features | None) -> tuple[int, float, float, float | None] | tuple[None, None, None, None]:
    if features is None:
        return _NO_FEATURES
    return features.tokens, features.sum_logprob, features.min_logprob, features.first_logprob


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
