"""One experiment followed: read what is new, look at what is known, do what follows, keep what was seen."""

import logging
from collections.abc import Callable, Mapping
from typing import Final, TypedDict

from gateway.clock import Clock
from gateway.control.loops.accumulation import Accumulator
from gateway.control.loops.experiment_result import Json, result_body, step_units
from gateway.snapshot.errors import ChangeRefused
from gateway.snapshot.publish import Publisher
from gateway.store.engine import Store
from gateway.store.experiment_results import add_result
from gateway.store.experiments import StoredExperiment
from routing.experiment.advance import Move, MoveKind, advance
from routing.experiment.measures import effects, judge
from routing.experiment.ruling import Ruled
from routing.words import RouteName

LOOK_EVERY_S: Final = 1.0
KEEP_EVERY_S: Final = 5.0
SHARE_OF_LOOKS: Final = 0.2
"""Of the time, that looking may take."""
SHARE_OF_KEEPING: Final = 0.05
"""Of the time, that may go into figures which nothing depends on."""
KEPT: Final = 100
"""About so many results are kept of the latter half of an experiment, as of every half before."""

log = logging.getLogger(__name__)


class Grounds(TypedDict):
    """What a publisher wants to know of a move."""

    reason: str
    numbers: Mapping[str, float]
    experiment_id: int


class Follower:
    """Follows one experiment from its start, or from where another follower has left it."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        experiment: StoredExperiment,
        on_rolled_back: Callable[[RouteName, int, float], None],
        clock: Clock,
        timer: Callable[[], float],
    ) -> None:
        """`on_rolled_back` is told the route, the revision, and when it was decided, by the timer.

        `clock` gives UTC microseconds, `timer` monotonic seconds.
        """
        self._store = store
        self._publisher = publisher
        self._on_rolled_back = on_rolled_back
        self._clock = clock
        self._timer = timer
        self._sums = Accumulator(store, experiment)
        self._next_look_s = self._next_keep_s = timer()
        self._kept: Json | None = None
        self._said: str | None = None

    def attend(self, experiment: StoredExperiment) -> bool:
        """Read a piece, and look if it is time; whether there is more to read."""
        has_more = self._sums.read()
        begin_s = self._timer()
        if begin_s >= self._next_look_s:
            self._look(experiment, begin_s)
        return has_more

    def _look(self, experiment: StoredExperiment, begin_s: float) -> None:
        contract, now_us = experiment.contract, self._clock()
        self._sums.mature(now_us)
        totals = self._sums.totals()
        findings = judge(contract, totals.known)
        units = step_units(contract, totals.known, experiment.progress.step)
        move = advance(contract, experiment.progress, findings.ruled, now_us=now_us, units=units)
        is_done = move.is_acted_on and self._do(experiment, move, findings.ruled)
        if not is_done:
            self._say(experiment, move)
        looked_s = self._timer()
        self._next_look_s = looked_s + max(LOOK_EVERY_S, (looked_s - begin_s) * (1 / SHARE_OF_LOOKS - 1))
        if is_done:
            # What is behind a move is there as soon as the move is; the other figures follow.
            known = {} if findings.primary is None else {contract.primary.metric: findings.primary}
            self._keep(experiment, result_body(experiment, totals, findings, known, move), now_us)
        if is_done or begin_s >= self._next_keep_s:
            shown = effects(contract, totals.known.matured)
            self._keep(experiment, result_body(experiment, totals, findings, shown, move), now_us)
            kept_s = self._timer()
            self._next_keep_s = kept_s + max(KEEP_EVERY_S, (kept_s - looked_s) * (1 / SHARE_OF_KEEPING - 1))

    def _do(self, experiment: StoredExperiment, move: Move, ruled: Ruled) -> bool:
        """Whether it is done; if somebody was quicker, the next look sees what they did."""
        try:
            self._publish(experiment, move, ruled)
        except ChangeRefused as refused:
            if self._said != str(refused):
                log.warning("experiment %s of route %s: %s", experiment.contract.name, experiment.route, refused)
            self._said = str(refused)
            return False
        log.info(
            "experiment %s of route %s: %s: %s", experiment.contract.name, experiment.route, move.kind, move.reason
        )
        return True

    def _publish(self, experiment: StoredExperiment, move: Move, ruled: Ruled) -> None:
        publisher, route = self._publisher, experiment.route
        grounds: Grounds = {"reason": move.reason, "numbers": ruled.numbers, "experiment_id": experiment.id}
        match move.kind:
            case MoveKind.STEP:
                assert move.to_step is not None
                publisher.step(route, move.to_step, **grounds)
            case MoveKind.PROMOTE:
                publisher.promote(route, **grounds)
            case MoveKind.ROLL_BACK:
                since_s = self._timer()
                published = publisher.roll_back_experiment(route, **grounds)
                self._on_rolled_back(route, published.snapshot.revision, since_s)
            case MoveKind.INCONCLUSIVE:
                publisher.end_inconclusive(route, **grounds)
            case MoveKind.STAY:
                pass

    def _say(self, experiment: StoredExperiment, move: Move) -> None:
        """Once, what would be done if the contract did not ask only to observe."""
        if move.kind is MoveKind.STAY or move.is_acted_on or self._said == move.kind:
            return
        name, route = experiment.contract.name, experiment.route
        log.info("experiment %s of route %s only observes; it would %s: %s", name, route, move.kind, move.reason)
        self._said = move.kind

    def _keep(self, experiment: StoredExperiment, body: Json, now_us: int) -> None:
        if body == self._kept:
            return
        with self._store.writing() as connection:
            add_result(connection, experiment.id, now_us, body, since_us=slot_us(experiment, now_us))
        self._kept = body


def slot_us(experiment: StoredExperiment, now_us: int) -> int:
    """The beginning of the time of which one result is kept: the longer it runs, the longer that is."""
    age_us = max(1, now_us - (experiment.progress.started_us or now_us))
    width_us = round(KEEP_EVERY_S * 1e6)
    while width_us * KEPT < age_us:
        width_us *= 2
    return now_us // width_us * width_us
