"""One row a request and one an attempt, as tuples in the order of the tables' columns: made on the hot path.

Words from closed sets may be given as `StrEnum` members. `None` stands for what is not known or does not apply.
"""

from collections.abc import Sequence
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


Entry = tuple[RequestRow, Sequence[AttemptRow]]
"""A request and its attempts."""
