"""Confidence is made anew where there is enough to make it of, and put in force; one fit at a turn.

Here, in the process of the loops, is the only place where workers' confidence is fitted: neither a request nor an
operator ever waits for it. Until a new calibration is published with its thresholds, the old ones stand.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from gateway.clock import Clock, now_us
from gateway.control.loops.fitting import Origin, Task, fit, origin_of
from gateway.snapshot.calibrate import is_frozen
from gateway.snapshot.document import ConfidenceEntry, FallbackEntry, RouteEntry, Snapshot
from gateway.snapshot.errors import ChangeRefused
from gateway.snapshot.publish import Publisher
from gateway.store import calibration_data as data
from gateway.store import calibrations, snapshots
from gateway.store.calibrations import StoredCalibration
from gateway.store.engine import Store
from gateway.store.labels import LabelSource, read_labelled
from routing.confidence.arming import MIN_FIT_LABELS, tightened
from routing.confidence.correction import corrected, errors_in, is_worth_moving
from routing.confidence.gate import ConfidenceMode
from routing.confidence.refit import MOST_LABELS, Source, Standing, due
from routing.words import ModelName, RouteName

CALIBRATION_EVERY_S: Final = 2.0
COUNT_ANSWERS_EVERY_US: Final = 15_000_000
WHO: Final = "calibration"
"""How the audit names what is published here."""
AGAIN_LABELS: Final = 25
"""After a fit that came to nothing, so many more are waited for."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One arm of a route, with the calibration in force."""

    route: RouteName
    model: ModelName
    fallback: FallbackEntry
    last: StoredCalibration | None
    origin: Origin | None

    @property
    def confidence(self) -> ConfidenceEntry:
        """What the route wants."""
        return self.fallback.confidence

    @property
    def key(self) -> tuple[RouteName, ModelName]:
        """To remember it by."""
        return self.route, self.model


class Calibrator:
    """Looks after all arms of all routes, in turn."""

    def __init__(self, store: Store, publisher: Publisher, clock: Clock = now_us, draws: int | None = None) -> None:
        """`draws` is how many resamples are behind an interval; `None` for as many as offline."""
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._draws = draws
        self._snapshot: Snapshot | None = None
        self._in_force: dict[tuple[str, str], StoredCalibration] = {}
        self._answers: data.ByArm = {}
        self._answers_counted_us: int | None = None
        self._in_vain: dict[tuple[RouteName, ModelName], Standing] = {}
        self._corrected: dict[tuple[RouteName, ModelName], tuple[str, int]] = {}
        self._said_frozen: set[RouteName] = set()
        self._last_key: tuple[RouteName, ModelName] | None = None

    def run(self) -> bool:
        """Look at every arm until one is calibrated; whether there may be more to do soon."""
        self._look()
        for arm in self._in_turn():
            if self._attend(arm):
                self._last_key = arm.key
                return True
        return False

    def _look(self) -> None:
        newer = snapshots.latest(self._store, self._snapshot.revision if self._snapshot else 0)
        if newer is None:
            return
        with self._store.reading() as connection:
            self._in_force = {(stored.route, stored.model): stored for stored in calibrations.in_force(connection)}
        self._snapshot = newer

    def _in_turn(self) -> list[Arm]:
        """All arms, first those behind the one that was calibrated last, so that none waits for ever."""
        arms = list(self._arms())
        behind = next((at + 1 for at, arm in enumerate(arms) if arm.key == self._last_key), 0)
        return arms[behind:] + arms[:behind]

    def _arms(self) -> Iterator[Arm]:
        for name, entry in self._snapshot.document.routes.items() if self._snapshot else ():
            if entry.fallback is None:
                continue
            if self._is_frozen(name, entry):
                continue
            for model in entry.split:
                last = self._in_force.get((name, model))
                yield Arm(
                    route=name,
                    model=model,
                    fallback=entry.fallback,
                    last=last,
                    origin=origin_of(last) if last else None,
                )

    def _is_frozen(self, route: RouteName, entry: RouteEntry) -> bool:
        if not is_frozen(entry):
            self._said_frozen.discard(route)
        elif route not in self._said_frozen:
            self._said_frozen.add(route)
            log.info("route %s is frozen: its calibrations and thresholds stay as they are", route)
        return is_frozen(entry)

    def _attend(self, arm: Arm) -> bool:
        """Calibrate an arm if it is time; whether that was done."""
        standing = self._standing(arm)
        source = due(standing)
        if source is not None and self._is_worth_trying(arm, standing):
            if self._fit(arm, standing):
                self._in_vain.pop(arm.key, None)
                return True
            self._in_vain[arm.key] = standing
        return self._correct(arm, standing)

    def _standing(self, arm: Arm) -> Standing:
        is_of_labels = arm.origin is not None and arm.origin.source is Source.LABELS
        after_us = arm.origin.newest_label_us if arm.origin is not None and is_of_labels else -1
        with self._store.reading() as connection:
            new = data.count_labels_after(connection, arm.route, arm.model, after_us, at_most=MOST_LABELS)
        last_labels = arm.last.labels if arm.last is not None else 0
        return Standing(
            mode=arm.confidence.mode,
            is_frozen=arm.confidence.is_frozen,
            labels=last_labels + new if is_of_labels else new,
            new_labels=new,
            records=0 if is_of_labels else self._count_answers().get(arm.key, 0),
            last=arm.origin.source if arm.origin is not None else None,
            last_labels=last_labels,
            last_records=arm.origin.records if arm.origin is not None else 0,
        )

    def _count_answers(self) -> data.ByArm:
        """Counted now and then: it looks at many rows, and nothing is urgent about a rank."""
        at_us = self._clock()
        if self._answers_counted_us is None or at_us - self._answers_counted_us >= COUNT_ANSWERS_EVERY_US:
            with self._store.reading() as connection:
                self._answers = data.count_answers(connection)
            self._answers_counted_us = at_us
        return self._answers

    def _is_worth_trying(self, arm: Arm, standing: Standing) -> bool:
        before = self._in_vain.get(arm.key)
        if before is None:
            return True
        return standing.labels >= before.labels + AGAIN_LABELS or standing.records >= 2 * max(1, before.records)

    def _fit(self, arm: Arm, standing: Standing) -> bool:
        """Fit, and publish what came of it; false where nothing did, or nothing new."""
        task = Task(
            route=arm.route,
            model=arm.model,
            large=arm.fallback.to,
            records=standing.records,
            shift=arm.last.evidence.alpha_shift if arm.last is not None else 0.0,
            hold_tokens=arm.fallback.hold.tokens,
        )
        stored = fit(self._store, task, at_us=self._clock(), draws=self._draws)
        if stored is None:
            return False
        if arm.last is not None and stored.labels < MIN_FIT_LABELS <= standing.labels:
            return False  # some of the labels that were counted were of one request
        return self._publish(stored)

    def _correct(self, arm: Arm, standing: Standing) -> bool:
        """Let audits tighten the bound of a risk, or ease it back; whether that made another threshold."""
        last, origin, asked = arm.last, arm.origin, arm.confidence.alpha
        if last is None or origin is None or asked is None or arm.confidence.mode is not ConfidenceMode.RISK:
            return False
        state = last.version, standing.new_labels
        if not standing.new_labels or self._corrected.get(arm.key) == state:
            return False
        self._corrected[arm.key] = state
        with self._store.reading() as connection:
            newest = read_labelled(
                connection, arm.route, arm.model, limit=standing.new_labels, sources=(LabelSource.AUDIT,)
            )
        since = [one for one in newest if one.made_us > origin.newest_label_us and one.started_us >= origin.fitted_us]
        errors = errors_in(reversed(since))
        wanted = corrected(asked, errors, tightened(asked, origin.shift))
        if not is_worth_moving(asked, tightened(asked, last.evidence.alpha_shift), wanted):
            return False
        log.info("%s of route %s aims for a risk of %.3g, asked is %.3g", arm.model, arm.route, wanted, asked)
        with self._store.reading() as connection:
            version = calibrations.next_version(connection, arm.route, arm.model)
        return self._publish(
            replace(
                last,
                version=version,
                created_us=self._clock(),
                calibration=replace(last.calibration, version=version),
                evidence=replace(last.evidence, alpha_shift=wanted - asked),
            )
        )

    def _publish(self, stored: StoredCalibration) -> bool:
        try:
            snapshot = self._publisher.publish_calibration([stored], WHO)
        except ChangeRefused as refused:
            log.warning("%s", refused)
            return False
        if snapshot is None:
            return False
        judge = snapshot.document.routes[stored.route].judges[stored.model]
        log.info(
            "calibration %s of route %s is in force, of %d labels; %s: %s",
            stored.version,
            stored.route,
            stored.labels,
            "armed" if judge.is_armed else "not armed",
            judge.reason,
        )
        return True
