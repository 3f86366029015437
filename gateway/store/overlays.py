"""The overlays in force."""

from collections.abc import Iterable

from sqlalchemy import Connection, RowMapping, delete, insert, select

from gateway.snapshot.overlay import Overlay, OverlayField, OverlayScope
from gateway.store.codec import dump, load_any
from gateway.store.engine import Store
from gateway.store.tables import overlays


def listing(store: Store, *, route: str | None = None) -> list[Overlay]:
    """All overlays, or those of one route, by name and field."""
    with store.reading() as connection:
        found = read(connection)
    if route is None:
        return found
    return [overlay for overlay in found if overlay.scope is OverlayScope.ROUTE and overlay.name == route]


def read(connection: Connection) -> list[Overlay]:
    """All overlays, within a transaction."""
    query = select(overlays).order_by(overlays.c.scope, overlays.c.name, overlays.c.field)
    return [_overlay(row) for row in connection.execute(query).mappings()]


def put(connection: Connection, changed: Iterable[Overlay]) -> None:
    """Set these, each in place of one of the same scope, name and field."""
    for overlay in changed:
        remove(connection, overlay.scope, overlay.name, overlay.field)
        row = {
            "scope": overlay.scope.value,
            "name": overlay.name,
            "field": overlay.field.value,
            "value": dump(overlay.value),
            "who": overlay.who,
            "reason": overlay.reason,
            "at_us": overlay.at_us,
        }
        connection.execute(insert(overlays), row)


def remove(connection: Connection, scope: OverlayScope, name: str, field: OverlayField | None = None) -> None:
    """Clear one field, or all of them."""
    query = delete(overlays).where(overlays.c.scope == scope.value, overlays.c.name == name)
    if field is not None:
        query = query.where(overlays.c.field == field.value)
    connection.execute(query)


def _overlay(row: RowMapping) -> Overlay:
    return Overlay(
        scope=OverlayScope(row["scope"]),
        name=row["name"],
        field=OverlayField(row["field"]),
        value=load_any(row["value"]),
        who=row["who"],
        reason=row["reason"],
        at_us=row["at_us"],
    )
