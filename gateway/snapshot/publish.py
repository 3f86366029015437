"""Publish a new snapshot: one transaction that locks, reads, compiles, numbers and keeps.

Whoever changes something holds the lock on the head from before it reads until after it has written, so changes are
serial, on every replica: of two that were based on the same state, the second sees the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.clock import Clock, now_us
from gateway.snapshot import calibrate, edit
from gateway.snapshot.announce import announce
from gateway.snapshot.change import RouteChange, route_etag
from gateway.snapshot.compile import compile_document
from gateway.snapshot.document import KeyEntry, RouteEntry, Snapshot
from gateway.snapshot.errors import ChangeRefused, OverlayConflict, PreconditionFailed, UnknownModel, UnknownRoute
from gateway.snapshot.file import FileDocument, decode_file, digest_of_file, encode_file
from gateway.store import audit, calibrations, head, history, keys, overlays, snapshots
from gateway.store.calibrations import StoredCalibration
from gateway.store.engine import Store
from gateway.store.head import Head
from routing.words import ModelName, RouteName

__all__ = ["Published", "Publisher", "route_etag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A changed route."""

    snapshot: Snapshot
    etag: str
    """Of the route as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """What the audit says of a change."""

    who: str
    action: str
    reason: str | None = None
    route: RouteName | None = None
    detail: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a change starts from, read under the lock."""

    head: Head
    file: FileDocument
    encoded_file: str
    """As it was published: text that is kept as it is has the digest that it had."""
    previous: Snapshot | None


class Publisher:
    """Makes revisions. Thread-safe; any number may work on one store."""

    def __init__(self, store: Store, clock: Clock = now_us, *, coordination_url: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._announce: Callable[[int], None] = announce(coordination_url)

    def publish_file(self, file: FileDocument, who: str) -> Snapshot | None:
        """Let a file count, if it differs from the last that did. Only the holder of the lease calls this.

        Returns:
            `None` where the file says what the last one said: what operators changed since then stands.

        Raises:
            OverlayConflict: the file does not go together with what operators changed; nothing was published.
        """
        encoded = encode_file(file)
        digest = digest_of_file(encoded)
        with self._store.writing() as connection:
            locked = head.lock(connection)
            previous = snapshots.read(connection, locked.revision)
            stored = keys.read(connection)
            if digest == locked.file_digest and previous is not None and _has_keys(previous, file, stored):
                return None
            state = _State(head=locked, file=file, encoded_file=encoded, previous=previous)
            act = _Act(who=who, action="file", detail={"from": locked.file_digest, "to": digest})
            try:
                snapshot = self._publish(connection, state, act.action)
            except ChangeRefused as refused:
                raise OverlayConflict(
                    f"{refused}. An operator set this, and it lies over the file until it is cleared: "
                    "DELETE the route's overlay, or keep in the file what it needs"
                ) from refused
            _note(connection, act, previous, snapshot)
        self._announce(snapshot.revision)
        return snapshot

    def change_route(
        self, route: RouteName, change: RouteChange, *, who: str, reason: str | None, expected_etag: str | None
    ) -> Published:
        """Change what a route does with its traffic.

        Args:
            route: its name.
            change: what to do.
            who: the name of the key that asked.
            reason: what they gave as the reason, if anything.
            expected_etag: the tag of the route as they saw it; `None` to change it whatever it is.

        Raises:
            ChangeRefused: see `gateway.snapshot.errors`; nothing was changed.
        """
        with self._store.writing() as connection:
            state = self._state(connection, f"there is no route {route!r}", UnknownRoute)
            before = None if state.previous is None else state.previous.document.routes.get(route)
            if before is None or route not in state.file.routes:
                raise UnknownRoute(f"there is no route {route!r}; there are {', '.join(sorted(state.file.routes))}")
            if expected_etag is not None and expected_etag != route_etag(before):
                raise PreconditionFailed(f"route {route!r} was changed by somebody else; read it again, then decide")
            author = edit.Author(who=who, reason=reason, at_us=self._clock())
            came_from = edit.apply(connection, route, change, author, file=state.file, now=before)
            act = _Act(
                who=who, action=edit.action_of(change), reason=reason, route=route, detail=edit.detail_of(change)
            )
            snapshot = self._publish(connection, state, act.action, rolled_back=came_from)
            _note(connection, act, state.previous, snapshot)
        self._announce(snapshot.revision)
        return Published(snapshot=snapshot, etag=route_etag(snapshot.document.routes[route]))

    def publish_calibration(self, stored: Sequence[StoredCalibration], who: str) -> Snapshot | None:
        """Let calibrations count, each in the place of the one that its model has on its route. One revision for all.

        No `ETag` changes. Left out are those of a route that is frozen, or that has no fallback any more, and those of
        what is no arm of it any more.

        Returns:
            `None` where that leaves nothing, so that nothing was published.

        Raises:
            UnknownRoute: no configuration has been published yet.
            CalibrationExists: the route has had one of the same version; nothing was published.
        """
        with self._store.writing() as connection:
            state = self._state(connection, "there is nothing to calibrate", UnknownRoute)
            wanted = [
                one for one in stored if state.previous is not None and calibrate.takes(state.previous.document, one)
            ]
            for one in wanted:
                calibrate.take(connection, one)
            if not wanted:
                return None
            snapshot = self._publish(connection, state, "calibrate")
            for one in wanted:
                reason, detail = calibrate.told(one, state.previous, snapshot)
                act = _Act(who=who, action="calibrate", reason=reason, route=one.route, detail=detail)
                _note(connection, act, state.previous, snapshot)
        self._announce(snapshot.revision)
        return snapshot

    def change_model(self, model: ModelName, enabled: bool, who: str, reason: str | None) -> Snapshot:  # noqa: FBT001
        """Switch a model on or off. Off, it counts as unavailable: its routes fall back.

        Raises:
            UnknownModel: there is none of this name.
        """
        with self._store.writing() as connection:
            state = self._state(connection, f"there is no model {model!r}", UnknownModel)
            if model not in state.file.models:
                raise UnknownModel(f"there is no model {model!r}; there are {', '.join(sorted(state.file.models))}")
            author = edit.Author(who=who, reason=reason, at_us=self._clock())
            edit.switch_model(connection, model, author, enabled=enabled)
            act = _Act(who=who, action="model", reason=reason, detail={"model": model, "enabled": enabled})
            snapshot = self._publish(connection, state, act.action)
            _note(connection, act, state.previous, snapshot)
        self._announce(snapshot.revision)
        return snapshot

    def _state(self, connection: Connection, sentence: str, unknown: type[ChangeRefused]) -> _State:
        locked = head.lock(connection)
        if locked.file_document is None:
            raise unknown(f"{sentence}: no configuration has been published yet")
        return _State(
            head=locked,
            file=decode_file(locked.file_document),
            encoded_file=locked.file_document,
            previous=snapshots.read(connection, locked.revision),
        )

    def _publish(
        self, connection: Connection, state: _State, action: str, *, rolled_back: history.HistoryEntry | None = None
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
        )
        snapshot = Snapshot(revision=revision, created_us=self._clock(), document=document)
        snapshots.add(connection, snapshot)
        self._note_splits(connection, state.previous, snapshot, action, rolled_back)
        encoded = state.encoded_file
        head.move(connection, revision=revision, file_digest=digest_of_file(encoded), file_document=encoded)
        return snapshot

    @staticmethod
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


def _note(connection: Connection, act: _Act, previous: Snapshot | None, snapshot: Snapshot) -> None:
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


def _traffic(entry: RouteEntry) -> tuple[object, ...]:
    return entry.split, entry.ranges, entry.salt


def _difference(route: RouteName | None, previous: Snapshot | None, snapshot: Snapshot) -> dict[str, object]:
    """The split of the route that a change was about, before and after."""
    before = None if previous is None or route is None else previous.document.routes.get(route)
    if before is None or route is None or before.split == snapshot.document.routes[route].split:
        return {}
    return {"split": {"from": before.split, "to": snapshot.document.routes[route].split}}


def _has_keys(snapshot: Snapshot, file: FileDocument, stored: Sequence[KeyEntry]) -> bool:
    """Whether the snapshot knows exactly these keys, so that one made since then is not forgotten."""
    return snapshot.document.keys == (*file.keys, *stored)
