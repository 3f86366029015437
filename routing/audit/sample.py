"""Which requests are audited, or shadowed: a share of them by a hash, as large as labels are wanted and money is left.

    labels of the version      wanted share          what is left of the day's cap is spread over
    fewer than `min_labels`    every request         an hour, or the rest of the day where that is less
    enough                     the route's share     the rest of the day

While all can be paid for, the wanted share is drawn. Where it cannot, the share is what the money lasts for at the
present traffic, so that audits of a busy day are of all its hours. Nothing of it depends on an answer: the share at the
time of the draw is the propensity that a label may be weighed by.
"""

from dataclasses import dataclass
from typing import Final

from routing.assignment import buckets
from routing.words import Purpose

HURRY_S: Final = 3600.0
"""Over how long a version that lacks labels spreads the money. Spending slows down as what is left becomes less: after
an hour about a third is left, after three a twentieth."""
DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What one worker has to go by, for one arm of one route."""

    left_nanousd: int
    """This worker's part of what is left of the day's cap."""
    cost_nanousd: float
    """What one is expected to cost."""
    requests_per_s: float
    """Requests of the arm in this worker; 0 where that is not known yet."""
    day_left_s: float


def draw(salt: str, purpose: Purpose, request_id: str, share: float) -> bool:
    """Whether a request is drawn: the hash of (salt, purpose, request id) lies below the share."""
    return share > 0.0 and buckets.draw(salt, purpose, request_id) < share


def share_now(share: float, *, labels: int, min_labels: int, pace: Pace) -> float:
    """The share to draw with, in [0, 1].

    >>> busy = Pace(left_nanousd=5 * 10**9, cost_nanousd=3_500_000, requests_per_s=10.0, day_left_s=86_400.0)
    >>> round(share_now(0.02, labels=0, min_labels=300, pace=busy), 4)
    0.0397
    >>> round(share_now(0.02, labels=300, min_labels=300, pace=busy), 4)
    0.0017
    """
    if pace.left_nanousd <= 0:
        return 0.0
    is_wanting = labels < min_labels
    spread_s = min(HURRY_S, pace.day_left_s) if is_wanting else pace.day_left_s
    wanted = 1.0 if is_wanting else share
    cost_of_all = pace.cost_nanousd * pace.requests_per_s * spread_s
    return wanted if cost_of_all <= pace.left_nanousd else min(wanted, pace.left_nanousd / cost_of_all)


def day_of(at_us: int) -> int:
    """Days since 1970 (UTC)."""
    return at_us // DAY_US


def day_left_s(at_us: int) -> float:
    """Seconds until the next day (UTC)."""
    return (DAY_US - at_us % DAY_US) / 1e6
