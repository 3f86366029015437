"""How a revision is made, within the transaction that whoever changes something has begun.

Whoever changes something holds the lock on the head from before it reads until after it has written, so changes are
serial, on every replica: of two that were based on the same state, the second sees the first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.clock import Clock, now_us
from gateway.snapshot.announce import announce
from gateway.snapshot.change import route_etag
from gateway.snapshot.compile import compile_document
from gateway.snapshot.document import RouteEntry, Snapshot
from gateway.snapshot.errors import ChangeRefused, PreconditionFailed, UnknownRoute
from gateway.snapshot.file import FileDocument, decode_file, digest_of_file
from gateway.snapshot.steps import note_steps
from gateway.store import audit, calibrations, experiments, head, history, keys, overlays, snapshots
from gateway.store.engine import Store
from gateway.store.head import Head
from routing.words import RouteName


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A changed route."""

    snapshot: Snapshot
    etag: str
    """Of the route as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What the audit says of a change."""

    who: str
    action: str
    reason: str | None = None
    route: RouteName | None = None
    detail: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a change starts from, read under the lock."""

    head: Head
    file: FileDocument
    encoded_file: str
    """As it was published: text that is kept as it is has the digest that it had."""
    previous: Snapshot | None


class Revisions:
    """Makes revisions. Thread-safe; any number may work on one store."""

    def __init__(self, store: Store, clock: Clock = now_us, *, coordination_url: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._announce: Callable[[int], None] = announce(coordination_url)

    def _state(self, connection: Connection, sentence: str, unknown: type[ChangeRefused]) -> State:
        locked = head.lock(connection)
        if locked.file_document is None:
            raise unknown(f"{sentence}: no configuration has been published yet")
        return State(
            head=locked,
            file=decode_file(locked.file_document),
            encoded_file=locked.file_document,
            previous=snapshots.read(connection, locked.revision),
        )

    def _of_route(
        self, connection: Connection, route: RouteName, expected_etag: str | None
    ) -> tuple[State, RouteEntry]:
        """What a change of one route starts from.

        Raises:
            UnknownRoute: there is none of this name.
            PreconditionFailed: it is no longer what the change was based on.
        """
        state = self._state(connection, f"there is no route {route!r}", UnknownRoute)
        before = None if state.previous is None else state.previous.document.routes.get(route)
        if before is None or route not in state.file.routes:
            raise UnknownRoute(f"there is no route {route!r}; there are {', '.join(sorted(state.file.routes))}")
        if expected_etag is not None and expected_etag != route_etag(before):
            raise PreconditionFailed(f"route {route!r} was changed by somebody else; read it again, then decide")
        return state, before

    def _publish(
        self, connection: Connection, state: State, action: str, *, rolled_back: history.HistoryEntry | None = None
    ) -> Snapshot:
        revision = head.next_revision(connection, state.head)
        document = compile_document(
            state.file,
            overlays.read(connection),
            keys.read(connection),
            state.previous,
            state.head.unit_secret,
            revision=revision,
            calibrations=calibrations.in_force(connection),
            experiments=experiments.listing(connection),
        )
        snapshot = Snapshot(revision=revision, created_us=self._clock(), document=document)
        snapshots.add(connection, snapshot)
        _note_splits(connection, state.previous, snapshot, action, rolled_back)
        note_steps(connection, snapshot)
        encoded = state.encoded_file
        head.move(connection, revision=revision, file_digest=digest_of_file(encoded), file_document=encoded)
        return snapshot


def note(connection: Connection, act: Act, previous: Snapshot | None, snapshot: Snapshot) -> None:
    """Say in the audit what was done and by whom."""
    audit.append(
        connection,
        at_us=snapshot.created_us,
        who=act.who,
        action=act.action,
        route=act.route,
        reason=act.reason,
        detail={**act.detail, **_difference(act.route, previous, snapshot)},
        revision=snapshot.revision,
    )


def _note_splits(
    connection: Connection,
    previous: Snapshot | None,
    snapshot: Snapshot,
    made_by: str,
    rolled_back: history.HistoryEntry | None,
) -> None:
    before = {} if previous is None else previous.document.routes
    for name, entry in snapshot.document.routes.items():
        if name in before and _traffic(before[name]) == _traffic(entry):
            continue
        if rolled_back is not None and rolled_back.route == name:
            previous_id = rolled_back.previous_id
        else:
            in_force = history.newest(connection, name)
            previous_id = None if in_force is None else in_force.id
        history.add(connection, name, entry, previous_id=previous_id, made_by=made_by)


def _traffic(entry: RouteEntry) -> tuple[object, ...]:
    return entry.split, entry.ranges, entry.salt


def _difference(route: RouteName | None, previous: Snapshot | None, snapshot: Snapshot) -> dict[str, object]:
    """The split of the route that a change was about, before and after."""
    before = None if previous is None or route is None else previous.document.routes.get(route)
    after = None if route is None else snapshot.document.routes.get(route)
    if before is None or after is None or before.split == after.split:
        return {}
    return {"split": {"from": before.split, "to": after.split}}
