"""How workers share what audits and shadows may cost in a day, and how many labels audits have brought.

A row of `spend` says how much one worker may spend of a day's cap: what it has spent and what it has set aside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Integer, and_, func, literal, select, text

from gateway.store.engine import Store
from gateway.store.labels import AUDIT_AGREEMENT, LabelSource
from gateway.store.tables import labels, spend
from routing.audit.spend import grant
from routing.words import ModelName, Purpose

_UPSERT = text(
    "INSERT INTO spend (route, purpose, day, writer_id, spent_nanousd) "
    "VALUES (:route, :purpose, :day, :writer_id, :spent) "
    "ON CONFLICT (route, purpose, day, writer_id) DO UPDATE SET spent_nanousd = excluded.spent_nanousd"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one worker asks for the audits, or shadows, of one route on one day. Money in nano-dollars."""

    route: str
    purpose: Purpose
    day: int
    """Days since 1970 (UTC)."""
    cap: int
    """For all workers together."""
    committed: int
    """Spent or set aside already, whatever the answer."""
    wanted: int
    """What it would like to be able to spend in all, that included."""
    arms: Sequence[ModelName] = ()
    """Whose labels are to be counted."""
    enough_labels: int = 0
    """Counted no further than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What it may spend, in nano-dollars, and what there is to know."""

    granted: int
    others: int
    """What all other workers may."""
    labels: Mapping[ModelName, int]


def take(store: Store, writer_id: str, ask: Ask) -> Grant:
    """Be granted as much of a day's cap as is wanted and left; less than before where less is wanted.

    Raises:
        StoreUnavailable: what was granted before still stands.
    """
    this_day = _of(ask.route, ask.purpose, ask.day)
    with store.writing() as connection:
        if store.is_postgres:
            # Two that read what is left at the same moment would both take it. SQLite has one writer anyway.
            connection.execute(text("LOCK TABLE spend IN SHARE ROW EXCLUSIVE MODE"))
        query = select(func.sum(spend.c.spent_nanousd)).where(this_day, spend.c.writer_id != writer_id)
        others = int(connection.execute(query).scalar() or 0)
        granted = grant(cap=ask.cap, others=others, committed=ask.committed, wanted=ask.wanted)
        values = {
            "route": ask.route,
            "purpose": ask.purpose.value,
            "day": ask.day,
            "writer_id": writer_id,
            "spent": granted,
        }
        connection.execute(_UPSERT, values)
    with store.reading() as connection:
        counted = {arm: _labels(connection, ask.route, arm, ask.enough_labels) for arm in ask.arms}
    return Grant(granted=granted, others=others, labels=counted)


def spent(store: Store, route: str, purpose: Purpose, day: int) -> int:
    """What they have cost on a day, or may still cost without anybody being asked, in nano-dollars."""
    query = select(func.sum(spend.c.spent_nanousd)).where(_of(route, purpose, day))
    with store.reading() as connection:
        return int(connection.execute(query).scalar() or 0)


def _of(route: str, purpose: Purpose, day: int) -> ColumnElement[bool]:
    return and_(spend.c.route == route, spend.c.purpose == purpose.value, spend.c.day == day)


def _labels(connection: Connection, route: str, arm: ModelName, at_most: int) -> int:
    """How many labels audits have brought an arm, counted as far as it matters."""
    mine = (labels.c.route == route) & (labels.c.model == arm)
    of_audits = (labels.c.source == LabelSource.AUDIT.value) & (labels.c.metric == AUDIT_AGREEMENT)
    some = select(literal(1, Integer).label("one")).where(mine, of_audits).limit(at_most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar() or 0
