"""Who gave all of a route's units to a version, when and why: out of the history of splits and the audit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, or_, select

from gateway.store.codec import load
from gateway.store.tables import audit, split_history
from routing.assignment.buckets import BUCKETS

MOST: Final = 200
"""Splits that are looked at, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A version got all units of a route."""

    route: str
    revision: int
    at_us: int | None
    """`None` where the audit does not know of it."""
    who: str | None
    """The name of the key, or `file`, or `experiment`; `None` as above."""
    action: str
    """What brought it, such as `split` or `file`."""
    reason: str | None


def promotions(connection: Connection, model: str) -> list[Promotion]:
    """Those of a version, the latest first."""
    found = list(_entries(connection, model))
    return [_promotion(connection, route, revision, made_by) for route, revision, made_by in found]


def _entries(connection: Connection, model: str) -> Iterator[tuple[str, int, str]]:
    columns = split_history.c.route, split_history.c.revision, split_history.c.made_by, split_history.c.split
    alike = split_history.c.split.contains(f'"{model}":{BUCKETS}', autoescape=True)
    query = select(*columns).where(alike).order_by(split_history.c.id.desc()).limit(MOST)
    for route, revision, made_by, split in connection.execute(query):
        if load(split, dict[str, int]).get(model) == BUCKETS:
            yield route, revision, made_by


def _promotion(connection: Connection, route: str, revision: int, made_by: str) -> Promotion:
    of_route = or_(audit.c.route == route, audit.c.route.is_(None))
    query = select(audit).where(audit.c.revision == revision, of_route).order_by(audit.c.id).limit(1)
    row = connection.execute(query).first()
    return Promotion(
        route=route,
        revision=revision,
        at_us=None if row is None else row.at_us,
        who=None if row is None else row.who,
        action=made_by,
        reason=None if row is None else row.reason,
    )
