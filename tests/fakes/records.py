"""Records of requests that never were."""

from uuid import UUID

from gateway.records.rows import AttemptRow, RequestRow
from routing.assignment.units import UnitPlace
from routing.confidence.scores import ScoreName
from routing.words import Outcome, Purpose, Reason, Result

STARTED_US = 1_795_000_000_000_000


def request_id(number: int, started_us: int = STARTED_US) -> str:
    """A UUIDv7 of a moment."""
    return str(UUID(int=(started_us // 1000) << 80 | 0x7 << 76 | 0b10 << 62 | number))


def request_row(number: int, *, started_us: int = STARTED_US, finish_reason: str | None = "stop") -> RequestRow:
    """A request that fell back for want of confidence, with every column filled."""
    return RequestRow(
        request_id=request_id(number, started_us),
        tenant="default",
        route="support",
        arm="v1",
        model="large",
        key_name="app",
        endpoint="/v1/chat/completions",
        is_stream=True,
        unit_hash="ab" * 16,
        unit_place=UnitPlace.HEADER,
        bucket=1234,
        revision=3,
        ranges_revision=2,
        propensity=0.25,
        is_forced=False,
        outcome=Outcome.FALLBACK,
        reason=Reason.LOW_CONFIDENCE,
        status=200,
        attempts=2,
        finish_reason=finish_reason,
        score_name=ScoreName.MEAN_LOGPROB,
        score=0.5,
        confidence=0.5,
        calibration="none",
        threshold=0.75,
        prefix_tokens=16,
        prefix_sum_logprob=-11.09,
        prefix_min_logprob=-3.5,
        prefix_first_logprob=-0.25,
        whole_tokens=None,
        whole_sum_logprob=None,
        whole_min_logprob=None,
        whole_first_logprob=None,
        started_us=started_us,
        duration_us=250_000,
        first_token_us=90_000,
        overhead_us=300,
        cost_nanousd=1_234_567_890_123,
    )


def attempt_rows(number: int, *, started_us: int = STARTED_US) -> list[AttemptRow]:
    """Its draft and its fallback."""
    draft = AttemptRow(
        request_id=request_id(number, started_us),
        number=1,
        model="v1",
        purpose=Purpose.DRAFT,
        result=Result.DOUBTED,
        reason=Reason.LOW_CONFIDENCE,
        upstream_status=200,
        started_us=started_us,
        duration_us=80_000,
        first_token_us=40_000,
        input_tokens=100,
        cached_input_tokens=0,
        cache_write_tokens=None,
        output_tokens=16,
        reasoning_tokens=0,
        usage_estimated=True,
        cost_nanousd=None,
        price_version=None,
        score=0.5,
    )
    served = draft._replace(number=2, model="large", purpose=Purpose.FALLBACK, result=Result.COMPLETED, reason=None)
    return [draft, served._replace(cost_nanousd=1_234_567_890_123, price_version="2026-11-01", usage_estimated=False)]
