"""How far each reason to train again is, what versions were worth at first, and what has come since."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, Select, Subquery, delete, func, insert, or_, select, union

from gateway.store.feedback import FeedbackKind, FeedbackState
from gateway.store.labels import METRIC_OF, LabelSource
from gateway.store.retraining_tables import retraining, retraining_baselines
from gateway.store.tables import feedback, labels, requests
from routing.drift.audited import Audited, audited
from routing.drift.retraining import Examples, RetrainingReason, Standing
from routing.words import ModelName, RouteName

MOST_EXAMPLES: Final = 50_000
"""As many are counted at most, so that a look stays quick."""
AUDITS: Final = 300
"""As many are compared, first and last ones."""

Standings = Mapping[RetrainingReason, Standing]


def standings(connection: Connection) -> dict[RouteName, dict[RetrainingReason, Standing]]:
    """Where all reasons of all routes stand."""
    found: dict[RouteName, dict[RetrainingReason, Standing]] = {}
    for row in connection.execute(select(retraining).order_by(retraining.c.route, retraining.c.reason)):
        if row.reason in set(RetrainingReason):
            found.setdefault(RouteName(row.route), {})[RetrainingReason(row.reason)] = Standing(
                version=row.version,
                seen_since_us=row.seen_since_us,
                away_since_us=row.away_since_us,
                due_since_us=row.due_since_us,
            )
    return found


def put_standings(connection: Connection, route: RouteName, standing: Standings) -> None:
    """Keep where the reasons of a route stand, in the place of what was kept."""
    connection.execute(delete(retraining).where(retraining.c.route == route))
    rows = [
        {
            "route": route,
            "reason": reason.value,
            "version": one.version,
            "seen_since_us": one.seen_since_us,
            "away_since_us": one.away_since_us,
            "due_since_us": one.due_since_us,
        }
        for reason, one in standing.items()
    ]
    connection.execute(insert(retraining), rows)


def forget_others(connection: Connection, routes: Sequence[RouteName]) -> None:
    """Drop what is known of routes that there are no more."""
    for table in (retraining, retraining_baselines):
        connection.execute(delete(table).where(table.c.route.not_in(routes)))


def examples_since(connection: Connection, route: RouteName, since_us: int, until_us: int) -> Examples:
    """What has come of a route that could be trained on; `MOST_EXAMPLES` of each kind at most."""
    labelled = _labelled(route, since_us).subquery()
    shown = _demonstrated(route, since_us).subquery()
    by_source = select(labelled.c.source, func.count(labelled.c.request_id.distinct())).group_by(labelled.c.source)
    both = union(select(labelled.c.request_id), select(shown.c.request_id)).subquery()
    return Examples(
        requests=_count(connection, both),
        labels={source: count for source, count in connection.execute(by_source)},
        demonstrations=_count(connection, shown),
        since_us=since_us,
        until_us=until_us,
    )


def latest_audits(connection: Connection, route: RouteName, model: ModelName) -> Audited | None:
    """What the last audits found of an arm's answers."""
    return _audited(connection, _audits(route, model).order_by(labels.c.made_us.desc(), labels.c.request_id.desc()))


def kept_audits(connection: Connection, route: RouteName, model: ModelName, trained_us: int) -> Audited | None:
    """What the first audits of a version found, as it was kept; `None` where there were too few yet."""
    same = (retraining_baselines.c.route == route) & (retraining_baselines.c.model == model)
    row = connection.execute(select(retraining_baselines).where(same)).first()
    if row is not None and row.trained_us == trained_us:
        return Audited(n=row.n, accuracy=row.accuracy, error=row.error)
    return None


def first_audits(connection: Connection, route: RouteName, model: ModelName, trained_us: int) -> Audited | None:
    """What the first audits of a version find; `None` while they are fewer than `AUDITS`."""
    since = _audits(route, model).where(labels.c.made_us > trained_us)
    found = _audited(connection, since.order_by(labels.c.made_us, labels.c.request_id))
    return found if found is not None and found.n >= AUDITS else None


def keep_first_audits(
    connection: Connection, route: RouteName, model: ModelName, trained_us: int, found: Audited
) -> None:
    """Keep it, in the place of what was known of an older version of the name."""
    same = (retraining_baselines.c.route == route) & (retraining_baselines.c.model == model)
    row = {"route": route, "model": model, "trained_us": trained_us}
    connection.execute(delete(retraining_baselines).where(same))
    figures = {"n": found.n, "accuracy": found.accuracy, "error": found.error}
    connection.execute(insert(retraining_baselines), {**row, **figures})


def _labelled(route: RouteName, since_us: int) -> Select[tuple[str, str]]:
    is_verdict = or_(*((labels.c.source == s.value) & (labels.c.metric == metric) for s, metric in METRIC_OF.items()))
    return (
        select(labels.c.request_id, labels.c.source)
        .where(labels.c.route == route, labels.c.made_us > since_us, is_verdict)
        .limit(MOST_EXAMPLES)
    )


def _demonstrated(route: RouteName, since_us: int) -> Select[tuple[str]]:
    of_kind = (feedback.c.state == FeedbackState.JOINED.value) & (feedback.c.kind == FeedbackKind.DEMONSTRATION.value)
    return (
        select(requests.c.request_id)
        .distinct()
        .join(feedback, feedback.c.joined_request_id == requests.c.request_id)
        .where(of_kind, feedback.c.received_us > since_us, requests.c.route == route)
        .limit(MOST_EXAMPLES)
    )


def _audits(route: RouteName, model: ModelName) -> Select[tuple[float, float]]:
    source = LabelSource.AUDIT
    return (
        select(labels.c.value, labels.c.propensity)
        .where(labels.c.route == route, labels.c.model == model, labels.c.is_weighed)
        .where(labels.c.source == source.value, labels.c.metric == METRIC_OF[source])
        .limit(AUDITS)
    )


def _audited(connection: Connection, query: Select[tuple[float, float]]) -> Audited | None:
    rows = connection.execute(query).all()
    return audited([row.value for row in rows], [row.propensity for row in rows])


def _count(connection: Connection, rows: Subquery) -> int:
    return connection.execute(select(func.count()).select_from(rows)).scalar() or 0
