"""The rows that the data plane leaves, as tuples in the order of the tables' columns: requests' are of the hot path.

Words from closed sets may be given as `StrEnum` members. `None` stands for what is not known or does not apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class RequestRow(NamedTuple):
    """A request. The writer adds who wrote it and in which batch."""

    request_id: str
    """A UUIDv7; its order is that of time."""
    tenant: str
    route: str
    arm: str | None
    """`None` for a request that was refused before it had one."""
    model: str | None
    """Who answered."""
    key_name: str | None
    endpoint: str
    is_stream: bool
    unit_hash: str | None
    unit_place: str | None
    """Where the unit was found."""
    bucket: int | None
    revision: int
    ranges_revision: int | None
    propensity: float | None
    is_forced: bool
    outcome: str
    reason: str | None
    status: int | None
    """The HTTP status that the client got; `None` where it was gone before."""
    attempts: int
    finish_reason: str | None
    answer_id: str | None
    """The answer's own id, where it is not made of the request's."""
    confidence_mode: str | None
    judged: str | None
    """`whole` or `prefix`: what score, confidence and threshold are of, and what was decided on."""
    score_name: str | None
    score: float | None
    confidence: float | None
    calibration: str | None
    threshold: float | None
    late_confidence: float | None
    """Of the whole answer, where the prefix was decided on."""
    prefix_features: str | None
    """JSON, see `routing.confidence.features.as_row`."""
    whole_features: str | None
    audit_propensity: float | None
    """The chance with which this request was drawn for an audit; `None` where it was not drawn."""
    started_us: int
    """UTC microseconds since 1970."""
    duration_us: int
    first_token_us: int | None
    """From the start of the request."""
    overhead_us: int | None
    cost_nanousd: int | None
    """Of all attempts; `None` where the price of one is unknown."""


class AttemptRow(NamedTuple):
    """One call to one model."""

    request_id: str
    number: int
    """From 1."""
    model: str
    purpose: str
    result: str
    reason: str | None
    upstream_status: int | None
    started_us: int
    """UTC microseconds since 1970."""
    duration_us: int
    first_token_us: int | None
    """From the start of the attempt."""
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    usage_estimated: bool
    cost_nanousd: int | None
    price_version: str | None
    score: float | None


class FeedbackRow(NamedTuple):
    """What an application said of an answer, as it came. The writer adds that it waits, and who wrote it."""

    feedback_id: str
    """A UUIDv7."""
    tenant: str
    key_name: str
    """Of the key that sent it, which must be that of the request."""
    request_id: str | None
    answer_id: str | None
    """One of the two is given, or both where the answer's id may be made of the request's."""
    metric: str
    kind: str
    """See `gateway.store.feedback.FeedbackKind`."""
    value: str
    """JSON."""
    idempotency_key: str | None
    received_us: int
    """UTC microseconds since 1970."""


class LabelRow(NamedTuple):
    """What one answer of an arm was found to be worth."""

    request_id: str
    metric: str
    source: str
    """See `gateway.store.labels.LabelSource`."""
    route: str
    model: str
    """The arm whose answer it is."""
    value: float
    """0 or 1 for what is right or wrong, else the number given."""
    propensity: float
    """The chance that this request was labelled at all, in (0, 1]."""
    is_weighed: bool
    """Whether that chance did not depend on the answer, so that a bound may rest on it."""
    made_us: int
    """UTC microseconds since 1970."""


RequestEntry = tuple[RequestRow, Sequence[AttemptRow]]
"""A request and its attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOutcome:
    """What an audit left, after the request was recorded."""

    request_id: str
    attempts: Sequence[AttemptRow]
    """Those that the audit made; their numbers follow those of the request."""
    label: LabelRow | None
    """`None` where the two answers could not be compared."""
    whole_features: str | None = None
    """Of an answer that was given up in its hold and came to its end since, as in `RequestRow`; `None`: as recorded."""


class ShadowRow(NamedTuple):
    """That a request was also sent to another model."""

    request_id: str
    route: str
    arm: str
    model: str
    """The other one."""
    number: int
    """Of the attempt that is the other model's answer."""
    propensity: float
    """The chance that this request was sent, in (0, 1]."""
    agrees: bool | None
    """Whether the two answers agree; `None` where that cannot be told, or there was none."""
    made_us: int
    """UTC microseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowOutcome:
    """What a shadow left, after the request was recorded."""

    request_id: str
    attempts: Sequence[AttemptRow]
    """As of an audit."""
    row: ShadowRow


LaterOutcome = AuditOutcome | ShadowOutcome
"""What is known of a request only when its client has its answer."""

Entry = RequestEntry | FeedbackRow | LaterOutcome
"""What is queued and written as one."""
