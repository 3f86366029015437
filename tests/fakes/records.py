"""Records of requests that never were."""

from typing import Any
from uuid import UUID

from gateway.records.rows import AttemptRow, AuditOutcome, FeedbackRow, LabelRow, RequestRow
from gateway.store.feedback import FeedbackKind
from gateway.store.labels import LabelSource
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
        answer_id="chatcmpl-of-the-hosted-model",
        confidence_mode="threshold",
        judged="prefix",
        score_name=ScoreName.MEAN_LOGPROB,
        score=0.5,
        confidence=0.5,
        calibration="none",
        threshold=0.75,
        late_confidence=0.625,
        prefix_features="[16,-11.09,-3.5,-2.5,-1.5,-0.25,0.5,0.125,0.75,false,null]",
        whole_features=None,
        audit_propensity=0.0625,
        started_us=started_us,
        duration_us=250_000,
        first_token_us=90_000,
        overhead_us=300,
        cost_nanousd=1_234_567_890_123,
    )


def served_row(number: int, *, started_us: int = STARTED_US) -> RequestRow:
    """A request that its arm answered, without anybody to judge it."""
    return request_row(number, started_us=started_us)._replace(
        model="v1",
        outcome=Outcome.SERVED,
        reason=None,
        attempts=1,
        answer_id=None,
        confidence_mode="observe",
        judged="whole",
        threshold=None,
        late_confidence=None,
        prefix_features=None,
        whole_features="[16,-11.09,-3.5,-2.5,-1.5,-0.25,0.5,0.125,0.75,false,true]",
        audit_propensity=None,
    )


def feedback_row(number: int, **changed: Any) -> FeedbackRow:
    """What the application says of the request of that number, a second after it began: that it was a success."""
    row = FeedbackRow(
        feedback_id=request_id(number, STARTED_US + 1_000_000),
        tenant="default",
        key_name="app",
        request_id=request_id(number),
        answer_id=None,
        metric="success",
        kind=FeedbackKind.BOOLEAN,
        value="true",
        idempotency_key=None,
        received_us=STARTED_US + 1_000_000,
    )
    return row._replace(**changed)


def audit_outcome(number: int, *, value: float = 1.0, whole_features: str | None = None) -> AuditOutcome:
    """An audit of a request that its arm answered: the large model was asked, and agreed."""
    attempt = attempt_rows(number)[1]
    return AuditOutcome(
        request_id=request_id(number),
        attempts=[attempt._replace(number=7, purpose=Purpose.AUDIT, cost_nanousd=1_000)],
        label=audit_label(number, value=value),
        whole_features=whole_features,
    )


def audit_label(number: int, **changed: Any) -> LabelRow:
    """That the large model said the same, of a request that was audited with a chance of one in four."""
    row = LabelRow(
        request_id=request_id(number),
        metric="audit_agreement",
        source=LabelSource.AUDIT,
        route="support",
        model="v1",
        value=1.0,
        propensity=0.25,
        is_weighed=True,
        made_us=STARTED_US + 2_000_000,
    )
    return row._replace(**changed)


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
