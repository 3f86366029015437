"""What calibration is made of, beside labels: features of recent answers, and what the fallback is worth and costs.

Every query is bounded: by the newest requests that there are, or by what is counted at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Integer, Subquery, func, literal, or_, select

from gateway.store.codec import load_any
from gateway.store.feedback import FeedbackState
from gateway.store.labels import METRIC_OF, SUCCESS, features_of
from gateway.store.tables import attempts, feedback, labels, requests
from routing.confidence.features import Features

WINDOW: Final = 20_000
"""The newest requests, of all routes, that are looked at."""
MIN_VERDICTS: Final = 50
"""What feedback says of the fallback's answers counts from this many on."""
MOST_VERDICTS: Final = 1_000

ByArm = Mapping[tuple[str, str], int]
"""Something counted, by route and model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackWorth:
    """What is known of a route's fallback."""

    success: float | None
    """The share of its answers that feedback calls a success; `None` while it says too little. These are the answers
    that the arms were not sure of, so of all requests the share may well be higher."""
    cost_nanousd: float | None
    """Of one answer, on average; `None` where none was priced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateCounts:
    """Streams of an arm that went out after a judgement of their start, and were judged whole at their end."""

    n: int
    low: int
    """Whose confidence as a whole is under the threshold for whole answers."""


def count_labels_after(connection: Connection, route: str, model: str, after_us: int, *, at_most: int) -> int:
    """How many labels that say whether an answer is right were made after a moment. A request may count twice."""
    is_verdict = or_(*((labels.c.source == s.value) & (labels.c.metric == metric) for s, metric in METRIC_OF.items()))
    some = (
        select(literal(1, Integer).label("one"))
        .where(labels.c.route == route, labels.c.model == model, labels.c.made_us > after_us, is_verdict)
        .limit(at_most)
        .subquery()
    )
    return connection.execute(select(func.count()).select_from(some)).scalar() or 0


def count_answers(connection: Connection) -> ByArm:
    """How many of the newest requests left features of the arm's answer."""
    newest = _newest("arm", "is_forced", "whole_features", "prefix_features")
    has_features = newest.c.whole_features.is_not(None) | newest.c.prefix_features.is_not(None)
    query = (
        select(newest.c.route, newest.c.arm, func.count())
        .where(newest.c.arm.is_not(None), newest.c.is_forced.is_(False), has_features)
        .group_by(newest.c.route, newest.c.arm)
    )
    return {(route, arm): count for route, arm, count in connection.execute(query)}


def recent_features(
    connection: Connection, route: str, arm: str, *, limit: int
) -> tuple[list[Features], list[Features]]:
    """Features of an arm's newest answers, whole ones and starts of streams."""
    newest = _newest("arm", "is_forced", "whole_features", "prefix_features")
    query = (
        select(newest.c.whole_features, newest.c.prefix_features)
        .where(newest.c.route == route, newest.c.arm == arm, newest.c.is_forced.is_(False))
        .order_by(newest.c.request_id.desc())
    )
    rows = connection.execute(query).all()
    return _features([row[0] for row in rows], limit), _features([row[1] for row in rows], limit)


def fallback_worth(connection: Connection, route: str, large: str) -> FallbackWorth:
    """What the answers of a route's fallback were found to be worth, and what they cost."""
    said = (
        select(feedback.c.value, feedback.c.joined_request_id)
        .where(feedback.c.state == FeedbackState.JOINED, feedback.c.metric == SUCCESS)
        .order_by(feedback.c.received_us.desc())
        .limit(WINDOW)
        .subquery()
    )
    verdicts = (
        select(said.c.value)
        .join(requests, requests.c.request_id == said.c.joined_request_id)
        .where(requests.c.route == route, requests.c.model == large, requests.c.is_forced.is_(False))
        .limit(MOST_VERDICTS)
    )
    newest = _newest()
    cost = (
        select(func.avg(attempts.c.cost_nanousd))
        .join(newest, newest.c.request_id == attempts.c.request_id)
        .where(newest.c.route == route, attempts.c.model == large, attempts.c.cost_nanousd.is_not(None))
    )
    values = [float(load_any(value)) for value in connection.execute(verdicts).scalars()]
    mean = connection.execute(cost).scalar()
    return FallbackWorth(
        success=sum(values) / len(values) if len(values) >= MIN_VERDICTS else None,
        cost_nanousd=None if mean is None else float(mean),
    )


def late_counts(connection: Connection, route: str, arm: str, version: str, threshold: float) -> LateCounts:
    """Of the newest requests, those that a calibration judged by their start and that came to their end."""
    newest = _newest("arm", "calibration", "late_confidence")
    query = select(func.count(), func.count().filter(newest.c.late_confidence < threshold)).where(
        newest.c.route == route,
        newest.c.arm == arm,
        newest.c.calibration == version,
        newest.c.late_confidence.is_not(None),
    )
    n, low = connection.execute(query).one()
    return LateCounts(n=n, low=low)


def _newest(*columns: str) -> Subquery:
    wanted = [requests.c[name] for name in ("request_id", "route", *columns)]
    return select(*wanted).order_by(requests.c.request_id.desc()).limit(WINDOW).subquery()


def _features(rows: Sequence[str | None], limit: int) -> list[Features]:
    found = [features_of(row) for row in [row for row in rows if row is not None][:limit]]
    return [features for features in found if features is not None]
