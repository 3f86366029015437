"""How sure an arm was of answers that somebody graded since: what a reliability curve is drawn from."""

from typing import Final

from sqlalchemy import Connection, or_, select

from gateway.store.labels import METRIC_OF
from gateway.store.tables import labels, requests
from routing.words import ModelName, RouteName

NEWEST: Final = 2_000
"""Labels of an arm that are looked at."""


def graded_confidences(connection: Connection, route: RouteName, arm: ModelName) -> list[tuple[float, bool]]:
    """Calibrated confidence as it was when the answer was judged, and whether the answer is right.

    Of the arm's newest labels, without those whose being there depended on the answer. An answer that both an audit
    and an application graded is there twice.
    """
    is_verdict = or_(*((labels.c.source == s.value) & (labels.c.metric == metric) for s, metric in METRIC_OF.items()))
    newest = (
        select(labels.c.request_id, labels.c.value)
        .where(labels.c.route == route, labels.c.model == arm, is_verdict, labels.c.is_weighed)
        .order_by(labels.c.made_us.desc(), labels.c.request_id.desc())
        .limit(NEWEST)
        .subquery()
    )
    query = (
        select(requests.c.confidence, newest.c.value)
        .join(newest, newest.c.request_id == requests.c.request_id)
        .where(requests.c.confidence.is_not(None), requests.c.calibration.is_not(None))
    )
    return [(confidence, value >= 0.5) for confidence, value in connection.execute(query)]
