"""When confidence is made anew for one arm of a route, and out of what.

    labels there are       made of                                     made again
    fewer than 200         records' features, from 50 of them on       when there are twice as many, up to 5,000
    200 or more            labels, the last 5,000 of them              after a quarter more, or 200 more; at 300

The early ones matter most, so the steps grow with the labels. 300 is where a risk may be promised.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from routing.confidence.arming import MIN_FIT_LABELS, MIN_RISK_LABELS
from routing.confidence.gate import ConfidenceMode

MOST_LABELS: Final = 5_000
"""Older ones are not looked at."""
MIN_RECORDS: Final = 50
MOST_RECORDS: Final = 5_000

_STEP: Final = 200
_STEP_SHARE: Final = 0.25


class Source(StrEnum):
    """What confidence is made of."""

    RECORDS = "records"
    LABELS = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things are with one arm."""

    mode: ConfidenceMode
    is_frozen: bool
    labels: int
    """How many there are, counted as far as it matters."""
    new_labels: int
    """Of these, made after those of the last fit."""
    records: int
    """Answers with features, counted as far as it matters."""
    last: Source | None = None
    """What the calibration in force was made of; `None` without one."""
    last_labels: int = 0
    last_records: int = 0
    """How many of each there were then."""


def due(standing: Standing) -> Source | None:
    """Out of what to make confidence now; `None` to leave it as it is."""
    if standing.is_frozen or standing.mode is ConfidenceMode.NONE:
        return None
    if standing.labels >= MIN_FIT_LABELS:
        return Source.LABELS if _has_news(standing) else None
    if standing.last is Source.LABELS or standing.records < MIN_RECORDS:
        return None
    is_first = standing.last is None
    has_doubled = standing.last_records < MOST_RECORDS and standing.records >= 2 * standing.last_records
    return Source.RECORDS if is_first or has_doubled else None


def _has_news(standing: Standing) -> bool:
    if standing.last is not Source.LABELS:
        return True
    before, new = standing.last_labels, standing.new_labels
    crosses = before < MIN_RISK_LABELS <= before + new
    return new > 0 and (crosses or new >= min(_STEP, _STEP_SHARE * before))
