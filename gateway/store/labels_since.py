"""Labels of an arm that have come since a moment, in their order."""

from typing import Final

from sqlalchemy import Connection, or_, select

from gateway.store.labels import METRIC_OF
from gateway.store.tables import labels
from routing.words import ModelName, RouteName

MOST: Final = 5_000
"""As many are read at a time."""


def of_arm(
    connection: Connection, key: tuple[RouteName, ModelName], after_us: int, until_us: int
) -> list[tuple[float, int]]:
    """Value, 0 or 1, and when it was made; those made after one moment and up to another, `MOST` at most."""
    is_verdict = or_(*((labels.c.source == s.value) & (labels.c.metric == metric) for s, metric in METRIC_OF.items()))
    query = (
        select(labels.c.value, labels.c.made_us)
        .where(labels.c.route == key[0], labels.c.model == key[1], is_verdict, labels.c.is_weighed)
        .where(labels.c.made_us > after_us, labels.c.made_us <= until_us)
        .order_by(labels.c.made_us, labels.c.request_id)
        .limit(MOST)
    )
    return [(row.value, row.made_us) for row in connection.execute(query)]
