"""Who changed what, when and why; rows are only ever added."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.store.codec import dump, load_any
from gateway.store.engine import Store
from gateway.store.tables import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change."""

    id: int
    at_us: int
    who: str
    action: str
    route: str | None
    """`None` for what concerns no single route."""
    reason: str | None
    detail: dict[str, Any]
    """Plain JSON, such as the split before and after."""
    revision: int | None
    """The revision that the change made; `None` where it made none."""


def append(  # noqa: PLR0913  # the columns of one row, all by name
    conn: Connection,
    *,
    at_us: int,
    who: str,
    action: str,
    route: str | None,
    reason: str | None,
    detail: Mapping[str, object],
    revision: int | None,
) -> None:
    """Add an entry, in the transaction of the change it is about."""
    row = {"at_us": at_us, "who": who, "action": action, "route": route, "reason": _clean(reason)}
    conn.execute(insert(audit), {**row, "detail": dump(detail), "revision": revision})


def entries(
    store: Store, *, route: str | None = None, limit: int = 100, before_id: int | None = None
) -> list[AuditEntry]:
    """The latest entries, newest first; `before_id` continues where a page ended."""
    if route is not None and "\0" in route:
        return []  # no route is called that, and PostgreSQL does not even look for it
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if route is not None:
        query = query.where(audit.c.route == route)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    with store.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return [AuditEntry(**{**row, "detail": load_any(row["detail"])}) for row in rows]


def _clean(text: str | None) -> str | None:
    return None if text is None else text.replace("\0", "")
