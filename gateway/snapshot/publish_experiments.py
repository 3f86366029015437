"""Publish what becomes of an experiment: by operators, and by the experiment itself.

Each is one transaction: the state of the experiment, the split of its route, the ranges of its step, and the audit.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gateway.snapshot import experiments as moves
from gateway.snapshot.change import route_etag
from gateway.snapshot.edit import Author
from gateway.snapshot.errors import WrongState
from gateway.snapshot.experiments import Bench, Done, Grounds
from gateway.snapshot.revisions import Act, Published, Revisions, note
from gateway.store.experiments import StoredExperiment
from routing.experiment.contract import ExperimentState
from routing.words import RouteName

ACTION: Final = "experiment"
"""What the audit and the history call it."""
BY_ITSELF: Final = "experiment"
"""Who did what no operator did."""


class ExperimentRevisions(Revisions):
    """Makes the revisions of experiments."""

    def start_experiment(
        self, route: RouteName, *, who: str, reason: str | None, expected_etag: str | None
    ) -> Published:
        """Start the experiment that the file has: divide all units of the route anew, between its two arms alone.

        Args:
            route: its name.
            who: the name of the key that asked.
            reason: what they gave as the reason, if anything.
            expected_etag: the tag of the route as they saw it; `None` to do it whatever it is.

        Raises:
            UnknownRoute, PreconditionFailed: as of any change of a route.
            NoExperiment: the file has none.
            WrongState: it was started before, or another one is not over.
        """
        return self._experiment(moves.start, route, Author(who=who, reason=reason, at_us=self._clock()), expected_etag)

    def pause(self, route: RouteName, *, who: str, reason: str | None, expected_etag: str | None) -> Published:
        """Leave the split as it is, and let nothing happen by itself.

        Raises:
            UnknownRoute, PreconditionFailed, NoExperiment.
            WrongState: it is not running.
        """
        return self._experiment(moves.pause, route, Author(who=who, reason=reason, at_us=self._clock()), expected_etag)

    def resume(self, route: RouteName, *, who: str, reason: str | None, expected_etag: str | None) -> Published:
        """Go on at the step where it was paused, with the ranges that it had then. The soak begins anew.

        Raises:
            UnknownRoute, PreconditionFailed, NoExperiment.
            WrongState: it is not paused, or its contract is not in the file any more.
        """
        return self._experiment(moves.resume, route, Author(who=who, reason=reason, at_us=self._clock()), expected_etag)

    def abort(self, route: RouteName, *, who: str, reason: str | None, expected_etag: str | None) -> Published:
        """End it as rolled back. The split before the start returns, unless somebody has set another one since.

        Raises:
            UnknownRoute, PreconditionFailed, NoExperiment.
            WrongState: it is neither running nor paused.
        """
        return self._experiment(moves.abort, route, Author(who=who, reason=reason, at_us=self._clock()), expected_etag)

    def step(
        self,
        route: RouteName,
        to_step: int,
        *,
        reason: str,
        numbers: Mapping[str, float] | None = None,
        experiment_id: int | None = None,
    ) -> Published:
        """Give the candidate the share of the next step.

        Args:
            route: its name.
            to_step: the index of the step, one above that in force.
            reason: why, as a sentence.
            numbers: what the decision was made on, for the audit.
            experiment_id: which experiment the decision was about; `None` for whichever is running.

        Raises:
            UnknownRoute.
            NoExperiment, WrongState: it is not running any more, it is another one, or not at the step before.
        """
        grounds = Grounds(reason=reason, numbers=numbers or {})
        return self._by_itself(
            lambda bench, found: moves.step(bench, found, to_step, grounds), route, grounds, experiment_id
        )

    def promote(
        self,
        route: RouteName,
        *,
        reason: str,
        numbers: Mapping[str, float] | None = None,
        experiment_id: int | None = None,
    ) -> Published:
        """Let the candidate keep what it has at the last step. Arguments and errors as of `step`."""
        grounds = Grounds(reason=reason, numbers=numbers or {})
        return self._by_itself(lambda bench, found: moves.promote(bench, found, grounds), route, grounds, experiment_id)

    def roll_back_experiment(
        self,
        route: RouteName,
        *,
        reason: str,
        numbers: Mapping[str, float] | None = None,
        experiment_id: int | None = None,
    ) -> Published:
        """Take the candidate's units from it: the split before the start, where its share, if any, is the baseline's.

        Arguments and errors as of `step`.
        """
        grounds = Grounds(reason=reason, numbers=numbers or {})
        return self._by_itself(
            lambda bench, found: moves.roll_back(bench, found, grounds), route, grounds, experiment_id
        )

    def end_inconclusive(
        self,
        route: RouteName,
        *,
        reason: str,
        numbers: Mapping[str, float] | None = None,
        experiment_id: int | None = None,
    ) -> Published:
        """Go back to the split before the start, since nothing was found. Arguments and errors as of `step`."""
        grounds = Grounds(reason=reason, numbers=numbers or {})
        return self._by_itself(
            lambda bench, found: moves.end_inconclusive(bench, found, grounds), route, grounds, experiment_id
        )

    def _by_itself(
        self,
        move: Callable[[Bench, StoredExperiment], Done],
        route: RouteName,
        grounds: Grounds,
        experiment_id: int | None,
    ) -> Published:
        def of_running(bench: Bench) -> Done:
            found = bench.open_one(ExperimentState.RUNNING)
            if experiment_id is not None and found.id != experiment_id:
                raise WrongState(f"route {route!r} has another experiment by now, {found.contract.name!r}")
            return move(bench, found)

        return self._experiment(
            of_running, route, Author(who=BY_ITSELF, reason=grounds.reason, at_us=self._clock()), None
        )

    def _experiment(
        self, move: Callable[[Bench], Done], route: RouteName, author: Author, expected_etag: str | None
    ) -> Published:
        with self._store.writing() as connection:
            state, before = self._of_route(connection, route, expected_etag)
            bench = Bench(connection=connection, route=route, now=before, file=state.file, author=author)
            done = move(bench)
            snapshot = self._publish(connection, state, ACTION, rolled_back=done.returned_to)
            note(connection, act_of(done, route, author.who), state.previous, snapshot)
        self._announce(snapshot.revision)
        return Published(snapshot=snapshot, etag=route_etag(snapshot.document.routes[route]))


def act_of(done: Done, route: RouteName, who: str) -> Act:
    """What the audit says of it."""
    return Act(who=who, action=ACTION, reason=done.reason, route=route, detail=done.detail)
