"""Publish a new snapshot: one transaction that locks, reads, compiles, numbers and keeps.

Whoever changes something holds the lock on the head from before it reads until after it has written, so changes are
serial, on every replica: of two that were based on the same state, the second sees the first.
"""

from collections.abc import Sequence

from gateway.snapshot import calibrate, edit
from gateway.snapshot.change import RouteChange, route_etag
from gateway.snapshot.document import KeyEntry, Snapshot
from gateway.snapshot.errors import ChangeRefused, OverlayConflict, UnknownModel, UnknownRoute
from gateway.snapshot.experiments import Bench, pause_by_hand
from gateway.snapshot.file import FileDocument, digest_of_file, encode_file
from gateway.snapshot.file_experiments import keep_contracts
from gateway.snapshot.publish_experiments import ExperimentRevisions, act_of
from gateway.snapshot.publish_keys import KeyRevisions
from gateway.snapshot.revisions import Act, Published, State, note
from gateway.store import head, keys, snapshots
from gateway.store.calibrations import StoredCalibration
from routing.words import ModelName, RouteName

__all__ = ["Published", "Publisher", "route_etag"]


class Publisher(ExperimentRevisions, KeyRevisions):
    """Makes revisions. Thread-safe; any number may work on one store."""

    def publish_file(self, file: FileDocument, who: str) -> Snapshot | None:
        """Let a file count, if it differs from the last that did. Only the holder of the lease calls this.

        Returns:
            `None` where the file says what the last one said: what operators changed since then stands.

        Raises:
            OverlayConflict: the file does not go together with what operators changed, or changes the contract of an
                experiment that is not over; nothing was published.
        """
        encoded = encode_file(file)
        digest = digest_of_file(encoded)
        with self._store.writing() as connection:
            locked = head.lock(connection)
            previous = snapshots.read(connection, locked.revision)
            stored = keys.read(connection)
            if digest == locked.file_digest and previous is not None and _has_keys(previous, file, stored):
                return None
            state = State(head=locked, file=file, encoded_file=encoded, previous=previous)
            act = Act(who=who, action="file", detail={"from": locked.file_digest, "to": digest})
            paused = keep_contracts(connection, file, previous, edit.Author(who=who, reason=None, at_us=self._clock()))
            try:
                snapshot = self._publish(connection, state, act.action)
            except ChangeRefused as refused:
                raise OverlayConflict(
                    f"{refused}. An operator set this, and it lies over the file until it is cleared: "
                    "DELETE the route's overlay, or keep in the file what it needs"
                ) from refused
            note(connection, act, previous, snapshot)
            for route, done in paused.items():
                note(connection, act_of(done, route, who), None, snapshot)
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
            state, before = self._of_route(connection, route, expected_etag)
            author = edit.Author(who=who, reason=reason, at_us=self._clock())
            came_from = edit.apply(connection, route, change, author, file=state.file, now=before)
            act = Act(who=who, action=edit.action_of(change), reason=reason, route=route, detail=edit.detail_of(change))
            bench = Bench(connection=connection, route=route, now=before, file=state.file, author=author)
            paused = pause_by_hand(bench, change)
            snapshot = self._publish(connection, state, act.action, rolled_back=came_from)
            note(connection, act, state.previous, snapshot)
            if paused is not None:
                note(connection, act_of(paused, route, who), None, snapshot)
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
                act = Act(who=who, action="calibrate", reason=reason, route=one.route, detail=detail)
                note(connection, act, state.previous, snapshot)
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
            act = Act(who=who, action="model", reason=reason, detail={"model": model, "enabled": enabled})
            snapshot = self._publish(connection, state, act.action)
            note(connection, act, state.previous, snapshot)
        self._announce(snapshot.revision)
        return snapshot


def _has_keys(snapshot: Snapshot, file: FileDocument, stored: Sequence[KeyEntry]) -> bool:
    """Whether the snapshot knows exactly these keys, so that one made since then is not forgotten."""
    return snapshot.document.keys == (*file.keys, *stored)
