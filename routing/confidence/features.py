"""What is kept of an answer to judge it by, and to judge it again later: numbers from its log-probabilities and form.

Logarithms are natural. Tokens that are JSON structure are left out where the request asked for JSON, and the tokens of
a model's reasoning always.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import exp, log
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The features of one answer, or of the prefix of one. `None` where the answer gives no basis for a number."""

    tokens: int
    """At least 1."""
    sum_logprob: float
    min_logprob: float
    q10_logprob: float
    """The 10 % quantile of the tokens' log-probabilities, interpolated linearly."""
    q20_logprob: float
    first_logprob: float | None = None
    """Of the first value token; `None` when the answer has no value, such as one of punctuation only."""
    first_margin: float | None = None
    """How much likelier the first value token's likeliest alternative was than the next, in [0, 1]."""
    mean_entropy: float | None = None
    """Nats; of the alternatives returned, the rest taken as one more: a lower bound."""
    max_entropy: float | None = None
    is_cut: bool = False
    """Ended by the limit on tokens."""
    is_valid: bool | None = None
    """Whether the structure that the request asked for is there; `None` when it asked for none, or of a prefix."""


_FIELDS: Final = tuple(field.name for field in fields(Features))

FEATURE_NAMES: Final = (
    "mean_logprob",
    "sum_logprob",
    "min_logprob",
    "q10_logprob",
    "q20_logprob",
    "first_logprob",
    "first_margin",
    "mean_entropy",
    "max_entropy",
    "log_tokens",
    "is_cut",
)
"""What `vector` returns, in its order."""


def vector(features: Features) -> tuple[float | None, ...]:
    """One number a name of `FEATURE_NAMES`; `None` for what is missing."""
    return (
        features.sum_logprob / features.tokens,
        features.sum_logprob,
        features.min_logprob,
        features.q10_logprob,
        features.q20_logprob,
        features.first_logprob,
        features.first_margin,
        features.mean_entropy,
        features.max_entropy,
        log(1 + features.tokens),
        float(features.is_cut),
    )


def as_row(features: Features) -> tuple[int | float | bool | None, ...]:
    """The fields in their order, as they are kept in records."""
    return (
        features.tokens,
        features.sum_logprob,
        features.min_logprob,
        features.q10_logprob,
        features.q20_logprob,
        features.first_logprob,
        features.first_margin,
        features.mean_entropy,
        features.max_entropy,
        features.is_cut,
        features.is_valid,
    )


def from_row(row: Sequence[int | float | bool | None]) -> Features:
    """The features that `as_row` made a row of.

    Rows of records may be older than some fields, which are then missing at the end, and may not know whether an
    answer was cut.

    >>> from_row([2, -0.5, -0.4, -0.4, -0.3, -0.1]).first_logprob
    -0.1
    """
    known = dict(zip(_FIELDS, row, strict=False))
    known["is_cut"] = bool(known.get("is_cut"))
    return Features(**known)  # type: ignore[arg-type]  # in the order of the fields, as `as_row` has them


def probability(logprob: float | None) -> float | None:
    """The probability of a log-probability."""
    return None if logprob is None else exp(logprob)
