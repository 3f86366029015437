"""The splits a route has had, as a linked list that roll-backs walk.

Each entry points to the one that a roll-back from it leads to. A new split points to the split that was in force. A
roll-back makes a new entry with an older one's content, which points to where that one pointed:

    ids        1: A <-- 2: B <-- 3: C            roll back: 4 has B's content and points to 1
               1: A <------------------ 4: B     roll back: 5 has A's content and points nowhere

so that one after another they walk back, instead of turning between the last two.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, insert, select

from gateway.snapshot.document import RouteEntry
from gateway.store.codec import dump, load
from gateway.store.tables import split_history
from routing.assignment.ranges import Ranges
from routing.words import ModelName, RouteName


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A split that was in force from `revision` on."""

    id: int
    route: RouteName
    revision: int
    split: dict[ModelName, int]
    ranges: Ranges
    salt: str
    previous_id: int | None
    made_by: str
    """The action that brought it."""

    @property
    def shares(self) -> dict[ModelName, int]:
        """The split without arms at 0, by which two splits are told apart."""
        return {arm: share for arm, share in self.split.items() if share}


def newest(connection: Connection, route: RouteName) -> HistoryEntry | None:
    """The entry of the split that is in force, or was last."""
    of_route = split_history.c.route == route
    query = select(split_history).where(of_route).order_by(split_history.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _entry(row)


def one_back(connection: Connection, route: RouteName) -> HistoryEntry | None:
    """The last entry whose split differs from the one in force; `None` where there is none."""
    entry = current = newest(connection, route)
    while entry is not None and current is not None and entry.shares == current.shares:
        entry = None if entry.previous_id is None else one(connection, entry.previous_id)
    return entry


def at(connection: Connection, route: RouteName, revision: int) -> HistoryEntry | None:
    """The entry of the split whose ranges came into force in a revision."""
    wanted = (split_history.c.route == route) & (split_history.c.revision == revision)
    query = select(split_history).where(wanted).order_by(split_history.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _entry(row)


def one(connection: Connection, entry_id: int) -> HistoryEntry | None:
    """The entry of this id."""
    row = connection.execute(select(split_history).where(split_history.c.id == entry_id)).mappings().first()
    return None if row is None else _entry(row)


def salts(connection: Connection, route: RouteName) -> set[str]:
    """All salts that a route has had."""
    query = select(split_history.c.salt).where(split_history.c.route == route).distinct()
    return set(connection.execute(query).scalars())


def add(connection: Connection, name: RouteName, entry: RouteEntry, *, previous_id: int | None, made_by: str) -> None:
    """Note that the split of `entry` came into force in its ranges' revision."""
    row = {
        "route": name,
        "revision": entry.ranges_revision,
        "split": dump(entry.split),
        "ranges": dump(entry.ranges),
        "salt": entry.salt,
        "previous_id": previous_id,
        "made_by": made_by,
    }
    connection.execute(insert(split_history), row)


def _entry(row: RowMapping) -> HistoryEntry:
    return HistoryEntry(
        id=row["id"],
        route=row["route"],
        revision=row["revision"],
        split=load(row["split"], dict[ModelName, int]),
        ranges=load(row["ranges"], Ranges),
        salt=row["salt"],
        previous_id=row["previous_id"],
        made_by=row["made_by"],
    )
