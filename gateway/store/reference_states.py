"""What each version is compared with, without the comparison itself."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from gateway.store.tables import drift_references


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceState:
    """One side of a version's reference."""

    route: str | None
    """`None` where it holds for every route."""
    side: str
    """`input` or `output`."""
    source: str
    """`training` or `traffic`."""
    made_us: int
    n: int
    """Requests in it."""


def reference_states(connection: Connection, model: str) -> list[ReferenceState]:
    """All that a version has."""
    columns = (drift_references.c[name] for name in ("route", "side", "source", "made_us", "n"))
    query = select(*columns).where(drift_references.c.model == model).order_by("side", "route")
    return [
        ReferenceState(route=row.route or None, side=row.side, source=row.source, made_us=row.made_us, n=row.n)
        for row in connection.execute(query)
    ]
