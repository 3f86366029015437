"""Slices of what requests are like are folded into windows, windows are judged, and what was found is kept.

Everything is decided in `routing.drift`; here it is read and written. A pass reads some slices, reckons without holding
anybody up, and keeps states, windows and cursors in one transaction, unless another one was quicker.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from gateway.clock import Clock, now_us
from gateway.control.loops.drift_arm import Arm, Known, Passed, pass_of
from gateway.snapshot.document import RouteEntry, Snapshot
from gateway.store import drift, labels_since, retraining, snapshots
from gateway.store.drift import StoredReference, StoredSlice
from gateway.store.engine import Store
from routing.drift.features import Side
from routing.words import ModelName, RouteName

if TYPE_CHECKING:
    from routing.drift.reference import Reference

DRIFT_EVERY_S: Final = 5.0
PIECE: Final = 200
"""Slices of a pass."""
SETTLE_US: Final = 60_000_000
"""Labels are looked at when they are so old: then none is on its way any more that was made before."""

log = logging.getLogger(__name__)

Key = tuple[RouteName, ModelName]


class DriftWatch:
    """Watches all arms of all routes."""

    def __init__(self, store: Store, clock: Clock = now_us) -> None:
        self._store = store
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._references: dict[tuple[Key, Side], tuple[tuple[str, int], Reference]] = {}
        self._arms: dict[Key, tuple[int, Arm]] = {}
        """As they were kept last, and when."""

    def run(self) -> bool:
        """Fold what has come; whether there is more to do soon."""
        revision = 0 if self._snapshot is None else self._snapshot.revision
        self._snapshot = snapshots.latest(self._store, revision) or self._snapshot
        if self._snapshot is None:
            return False
        with self._store.reading() as connection:
            slices = drift.waiting(connection, PIECE)
            if not slices:
                return False
            passed = self._reckon(connection, self._snapshot.document.routes, slices)
        with self._store.writing() as connection:
            if not drift.are_waiting(connection, slices):
                return True
            at_us = self._clock()
            for one in passed:
                self._keep(connection, one, at_us)
            drift.fold(connection, slices, at_us)
        self._arms |= {(one.route, one.model): (at_us, one.arm) for one in passed}
        for one in passed:
            _tell(one)
        return len(slices) >= PIECE

    def _reckon(
        self, connection: Connection, routes: Mapping[RouteName, RouteEntry], slices: list[StoredSlice]
    ) -> list[Passed]:
        marks = drift.state_marks(connection)
        by_arm: dict[Key, list[StoredSlice]] = {}
        for one in slices:
            by_arm.setdefault((RouteName(one.slice.route), ModelName(one.slice.model)), []).append(one)
        passed = []
        for key, own in by_arm.items():
            entry = routes.get(key[0])
            if entry is None or not entry.drift.is_enabled:
                continue  # of a route that is gone, or not to be watched any more
            known = self._known(connection, key, entry, marks.get(key))
            ordered = sorted((one.slice for one in own), key=lambda one: (one.began_us, one.ended_us))
            passed.append(pass_of(known, ordered))
        return passed

    def _known(self, connection: Connection, key: Key, entry: RouteEntry, mark: int | None) -> Known:
        arm = self._arm(connection, key, mark)
        judge = entry.judges.get(key[1])
        until_us = self._clock() - SETTLE_US
        return Known(
            route=key[0],
            model=key[1],
            entry=entry,
            arm=arm,
            references=self._references_of(connection, key),
            labels=labels_since.of_arm(connection, key, arm.labels.until_us, until_us),
            audited=retraining.latest_audits(connection, *key),
            is_calibrated=judge is not None and judge.calibration is not None and judge.labels > 0,
            at_us=self._clock(),
        )

    def _arm(self, connection: Connection, key: Key, mark: int | None) -> Arm:
        """As it was kept last; read again only if another one has kept it since."""
        kept_us, arm = self._arms.get(key, (None, None))
        if mark is None or arm is None or kept_us != mark:
            return Arm.of(drift.states(connection, *key).get(key))
        return arm

    def _references_of(self, connection: Connection, key: Key) -> "dict[Side, Reference]":
        marks = drift.reference_marks(connection, *key)
        if any(self._references.get((key, side), (None,))[0] != mark for side, mark in marks.items()):
            from routing.drift.reference import Reference  # which takes numpy along

            for side, stored in drift.references_of(connection, *key).items():
                self._references[key, side] = marks[side], Reference(side, stored.chunks)
        return {side: self._references[key, side][1] for side in marks}

    def _keep(self, connection: Connection, one: Passed, at_us: int) -> None:
        for window in one.windows:
            drift.put_window(connection, window)
        for growing in one.complete:
            reference = StoredReference(
                route=one.route,
                model=one.model,
                side=growing.side,
                source="traffic",
                made_us=at_us,
                n=growing.n,
                chunks=growing.chunks,
                about={"since_us": growing.since_us, "until_us": growing.until_us},
            )
            drift.put_reference(connection, reference)
        drift.put_state(connection, one.route, one.model, at_us, one.arm.as_document())


def _tell(one: Passed) -> None:
    for growing in one.complete:
        log.info(
            "route %s: the %s of %s have a reference now, its first %d requests",
            one.route, "requests" if growing.side is Side.INPUT else "answers", one.model, growing.n,
        )  # fmt: skip
    for alarm in one.begun:
        log.warning(
            "route %s: %s of %s has moved (%s); `fallgate drifting %s` says by how much",
            one.route, alarm.feature, one.model, alarm.cause, one.route,
        )  # fmt: skip
    for name in one.over:
        log.info("route %s: %s of %s is as it was again", one.route, name, one.model)
