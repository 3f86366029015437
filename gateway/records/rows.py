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
    score_name: str | None
    score: float | None
    confidence: float | None
    calibration: str | None
    threshold: float | None
    prefix_tokens: int | None
    prefix_sum_logprob: float | None
    prefix_min_logprob: float | None
    prefix_first_logprob: float | None
    whole_tokens: int | None
    whole_sum_logprob: float | None
    whole_min_logprob: float | None
    whole_first_logprob: float | None
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
