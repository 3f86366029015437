"""Start, stop and move on an experiment, within the transaction that publishes it."""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from gateway.snapshot.change import ClearOverlay, RollBack, RouteChange, SplitChange
from gateway.snapshot.document import RouteEntry
from gateway.snapshot.edit import Author, put_split
from gateway.snapshot.errors import NoExperiment, WrongState
from gateway.snapshot.file import FileDocument
from gateway.snapshot.overlay import SplitValue
from gateway.store import experiments, history
from gateway.store.experiments import StoredExperiment
from gateway.store.history import HistoryEntry
from routing.assignment.buckets import BUCKETS
from routing.assignment.ranges import allocate
from routing.experiment.contract import MANUAL, Contract, ExperimentState, Progress
from routing.words import ModelName, RouteName


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A route whose experiment is to change, as it is in force."""

    connection: Connection
    route: RouteName
    now: RouteEntry
    file: FileDocument
    author: Author

    @property
    def planned(self) -> Contract | None:
        """What the file has."""
        return self.file.routes[self.route].experiment

    def open_one(self, *wanted: ExperimentState) -> StoredExperiment:
        """The experiment that is running or paused.

        Raises:
            NoExperiment: there is none, in the file neither.
            WrongState: it is in none of the states that are wanted.
        """
        found = experiments.open_one(self.connection, self.route)
        if found is not None and found.progress.state in wanted:
            return found
        if found is None and self.planned is None:
            raise no_experiment(self.route)
        state = self.now.experiment.state if self.now.experiment is not None else ExperimentState.PLANNED
        name = self.now.experiment.name if self.now.experiment is not None else ""
        raise WrongState(f"experiment {name!r} of route {self.route!r} is {words(state)}, not {words(*wanted)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of an experiment, for the audit."""

    reason: str
    detail: dict[str, object]
    returned_to: HistoryEntry | None = None
    """The split that it went back to, as a roll-back does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Why an experiment moves on."""

    reason: str
    """A sentence."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What the decision was made on, for the audit."""


def start(bench: Bench) -> Done:
    """Divide all units anew, and begin with the first step.

    Raises:
        NoExperiment: the file has none.
        WrongState: it was started before, or another one is not over.
    """
    contract = bench.planned
    if contract is None:
        raise no_experiment(bench.route)
    _check_start(bench, contract)
    before = history.newest(bench.connection, bench.route)
    assert before is not None, "every split that is in force is in the history"
    at_us = bench.author.at_us
    progress = Progress(
        state=ExperimentState.RUNNING,
        step=0,
        step_since_us=at_us,
        started_us=at_us,
        reason=_by("started", bench.author),
    )
    made = StoredExperiment(
        id=0,
        route=bench.route,
        contract=contract,
        progress=progress,
        salt=next_salt(bench.route, history.salts(bench.connection, bench.route)),
        before_id=before.id,
        updated_us=at_us,
    )
    made = replace(made, id=experiments.add(bench.connection, made))
    _put_share(bench, made, step=0)
    return _done(made, replace(progress, state=ExperimentState.PLANNED), progress)


def pause(bench: Bench) -> Done:
    """Leave the split as it is, and do nothing by itself any more."""
    found = bench.open_one(ExperimentState.RUNNING)
    return _change(bench, found, _in_state(found, ExperimentState.PAUSED, _by("paused", bench.author)))


def resume(bench: Bench) -> Done:
    """Go on at the step where it was paused, with the very ranges of that step; its soak begins anew."""
    found = bench.open_one(ExperimentState.PAUSED)
    if bench.planned is None:
        raise WrongState(
            f"the contract of experiment {found.contract.name!r} is not in the file any more; give it back, or abort it"
        )
    last = experiments.steps(bench.connection, found.id)[-1]
    split = history.at(bench.connection, bench.route, last.ranges_revision)
    assert split is not None, "every split that was in force is in the history"
    _put(bench, SplitValue(split=split.split, ranges=split.ranges, salt=split.salt))
    progress = _in_state(found, ExperimentState.RUNNING, _by("resumed", bench.author))
    return _change(bench, found, replace(progress, step_since_us=bench.author.at_us))


def abort(bench: Bench) -> Done:
    """End it, and go back to the split before the start, unless somebody has set another one since."""
    found = bench.open_one(ExperimentState.RUNNING, ExperimentState.PAUSED)
    progress = _in_state(found, ExperimentState.ROLLED_BACK, _by("aborted", bench.author))
    return _change(bench, found, progress, returned_to=_return(bench, found, keeps_candidate=True))


def step(bench: Bench, found: StoredExperiment, to_step: int, grounds: Grounds) -> Done:
    """Give the candidate the share of the next step.

    Raises:
        WrongState: that is another one.
    """
    if to_step != found.progress.step + 1 or to_step > found.contract.last_step:
        raise WrongState(f"{_where(found)}, so that {to_step} is not the next")
    _put_share(bench, found, step=to_step)
    progress = _in_state(found, ExperimentState.RUNNING, grounds.reason)
    progress = replace(progress, step=to_step, step_since_us=bench.author.at_us)
    return _change(bench, found, progress, numbers=grounds.numbers)


def promote(bench: Bench, found: StoredExperiment, grounds: Grounds) -> Done:
    """Let the candidate keep what it has at the last step.

    Raises:
        WrongState: it is not there yet.
    """
    if found.progress.step != found.contract.last_step:
        raise WrongState(f"{_where(found)}, so that nothing can be promoted yet")
    progress = _in_state(found, ExperimentState.PROMOTED, grounds.reason)
    return _change(bench, found, progress, numbers=grounds.numbers)


def roll_back(bench: Bench, found: StoredExperiment, grounds: Grounds) -> Done:
    """Go back to the split before the start; what the candidate had there is the baseline's too."""
    progress = _in_state(found, ExperimentState.ROLLED_BACK, grounds.reason)
    returned_to = _return(bench, found, keeps_candidate=False)
    return _change(bench, found, progress, numbers=grounds.numbers, returned_to=returned_to)


def end_inconclusive(bench: Bench, found: StoredExperiment, grounds: Grounds) -> Done:
    """Go back to the split before the start, since nothing was found."""
    progress = _in_state(found, ExperimentState.INCONCLUSIVE, grounds.reason)
    returned_to = _return(bench, found, keeps_candidate=True)
    return _change(bench, found, progress, numbers=grounds.numbers, returned_to=returned_to)


def pause_by_hand(bench: Bench, change: RouteChange) -> Done | None:
    """Pause what is running where somebody sets the split of its route; `None` where there is nothing to pause."""
    found = experiments.open_one(bench.connection, bench.route)
    sets_split = isinstance(change, SplitChange | RollBack | ClearOverlay)
    if found is None or not sets_split or found.progress.state is not ExperimentState.RUNNING:
        return None
    return _change(bench, found, _in_state(found, ExperimentState.PAUSED, MANUAL))


def change(connection: Connection, before: StoredExperiment, after: Progress, *, at_us: int) -> Done:
    """Note how far an experiment is now."""
    ended_us = at_us if after.state.is_over else None
    experiments.change(connection, before.id, after, ended_us=ended_us, updated_us=at_us)
    return _done(before, before.progress, after)


def no_experiment(route: RouteName) -> NoExperiment:
    """The refusal where there is nothing to start, and nothing that was started."""
    return NoExperiment(f"route {route!r} has no experiment in the file; write one at routes.{route}.experiment")


def next_salt(route: RouteName, known: Iterable[str]) -> str:
    """The route's name and a number that no salt of its history has."""
    numbers = [int(salt[len(route) + 1 :]) for salt in known if re.fullmatch(rf"{re.escape(route)}\.[0-9]+", salt)]
    return f"{route}.{max(numbers, default=0) + 1}"


def words(*states: ExperimentState) -> str:
    """As they are written."""
    return " or ".join(state.replace("_", " ") for state in states)


def _check_start(bench: Bench, contract: Contract) -> None:
    found = experiments.open_one(bench.connection, bench.route)
    if found is not None:
        raise WrongState(
            f"experiment {found.contract.name!r} of route {bench.route!r} is {words(found.progress.state)}; "
            "abort it before another one is started"
        )
    before = experiments.one(bench.connection, bench.route, contract.name)
    if before is not None:
        raise WrongState(
            f"experiment {contract.name!r} of route {bench.route!r} is over ({words(before.progress.state)}); give the "
            "next one another name in the file"
        )


def _put_share(bench: Bench, experiment: StoredExperiment, *, step: int) -> None:
    contract = experiment.contract
    share = contract.share_at(step)
    split = {contract.baseline: BUCKETS - share, contract.candidate: share}
    _put(bench, SplitValue(split=split, salt=experiment.salt))


def _return(bench: Bench, experiment: StoredExperiment, *, keeps_candidate: bool) -> HistoryEntry | None:
    """Set the split before the start; `None` where the split in force is not the experiment's, and stays."""
    own = {step.ranges_revision for step in experiments.steps(bench.connection, experiment.id)}
    before = history.one(bench.connection, experiment.before_id)
    if bench.now.ranges_revision not in own or before is None:
        return None
    split = _without_gone(before.shares, experiment.contract, bench.file.models)
    if not keeps_candidate:
        freed = split.pop(experiment.contract.candidate, 0)
        split[experiment.contract.baseline] = split.get(experiment.contract.baseline, 0) + freed
    ranges = before.ranges if split == before.shares else allocate(before.ranges, split)
    _put(bench, SplitValue(split=split, ranges=ranges, salt=before.salt))
    return before


def _without_gone(
    shares: dict[ModelName, int], contract: Contract, models: Container[ModelName]
) -> dict[ModelName, int]:
    """The shares, where what is no longer configured has left its own to the baseline."""
    split = {arm: share for arm, share in shares.items() if arm in models}
    missing = BUCKETS - sum(split.values())
    return split | {contract.baseline: split.get(contract.baseline, 0) + missing} if missing else split


def _put(bench: Bench, value: SplitValue) -> None:
    put_split(bench.connection, bench.route, value, bench.author)


def _change(
    bench: Bench,
    before: StoredExperiment,
    after: Progress,
    *,
    numbers: Mapping[str, float] | None = None,
    returned_to: HistoryEntry | None = None,
) -> Done:
    done = change(bench.connection, before, after, at_us=bench.author.at_us)
    detail = done.detail | ({"numbers": dict(numbers)} if numbers else {})
    return replace(done, detail=detail, returned_to=returned_to)


def _done(experiment: StoredExperiment, before: Progress, after: Progress) -> Done:
    detail: dict[str, object] = {
        "experiment": experiment.contract.name,
        "id": experiment.id,
        "state": {"from": before.state, "to": after.state},
        "step": after.step,
    }
    if after.step != before.step:
        detail["step"] = {"from": before.step, "to": after.step}
    return Done(reason=after.reason, detail=detail)


def _in_state(experiment: StoredExperiment, state: ExperimentState, reason: str) -> Progress:
    return replace(experiment.progress, state=state, reason=reason)


def _by(what: str, author: Author) -> str:
    return f"{what} by {author.who}" + (f": {author.reason}" if author.reason else "")


def _where(found: StoredExperiment) -> str:
    contract = found.contract
    return f"experiment {contract.name!r} is at step {found.progress.step} of 0 to {contract.last_step}"
