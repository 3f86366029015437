"""What becomes of experiments: state, split, ranges and audit of each move, on both kinds of store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from msgspec import structs

from gateway.snapshot.change import ClearOverlay, PolicyChange, RouteChange, SplitChange, route_etag
from gateway.snapshot.document import RouteEntry, decode_snapshot, encode_snapshot
from gateway.snapshot.errors import (
    ChangeRefused,
    ExperimentConflict,
    NoExperiment,
    OverlayConflict,
    PreconditionFailed,
    UnknownRoute,
    WrongState,
)
from gateway.snapshot.experiment_entry import ExperimentEntry
from gateway.snapshot.experiments import next_salt
from gateway.snapshot.file import FileDocument
from gateway.snapshot.publish import Publisher
from gateway.store import audit, experiments, snapshots
from gateway.store.engine import Store, open_store
from gateway.store.experiments import StoredExperiment
from routing.assignment.ranges import Ranges, shares
from routing.experiment.contract import ExperimentState
from routing.words import ModelName, RouteName
from tests.fakes.calibrations import stored as calibration
from tests.fakes.documents import LARGE, SUPPORT, V1, V2, V3
from tests.fakes.experiments import CONTRACT, file_with
from tests.fakes.publishing import in_force, roll_back, split_to

LAST = CONTRACT.last_step
NUMBERS = {"feedback_success.gain": 0.03, "srm_pvalue": 0.5}


class Clock:
    """A second a look."""

    def __init__(self) -> None:
        self.us = 0

    def __call__(self) -> int:
        self.us += 1_000_000
        return self.us


@pytest.fixture
def publisher(store: Store) -> Publisher:
    """A publisher to both kinds of store, whose file has an experiment."""
    publisher = Publisher(store, Clock())
    publisher.publish_file(file_with(), "file")
    return publisher


def start(publisher: Publisher, etag: str | None = None, reason: str | None = None) -> RouteEntry:
    published = publisher.start_experiment(SUPPORT, who="ops", reason=reason, expected_etag=etag)
    return published.snapshot.document.routes[SUPPORT]


def by_hand(publisher: Publisher, name: str, reason: str | None = None) -> RouteEntry:
    published = getattr(publisher, name)(SUPPORT, who="ops", reason=reason, expected_etag=None)
    entry: RouteEntry = published.snapshot.document.routes[SUPPORT]
    return entry


def by_itself(publisher: Publisher, name: str, *arguments: object) -> RouteEntry:
    published = getattr(publisher, name)(SUPPORT, *arguments, reason="because", numbers=NUMBERS)
    entry: RouteEntry = published.snapshot.document.routes[SUPPORT]
    return entry


def ramp(publisher: Publisher, to_step: int) -> RouteEntry:
    for step in range(1, to_step + 1):
        entry = by_itself(publisher, "step", step)
    return entry


def kept(store: Store, name: str = "v2") -> StoredExperiment:
    with store.reading() as connection:
        found = experiments.one(connection, SUPPORT, name)
    assert found is not None
    return found


def strata(store: Store) -> list[tuple[int, int, int]]:
    """Step, revision of its ranges, share."""
    with store.reading() as connection:
        found = experiments.steps(connection, kept(store).id)
    return [(step.step, step.ranges_revision, step.share) for step in found]


def buckets(ranges: Ranges, arm: ModelName) -> set[int]:
    return {number for held in ranges if held.arm == arm for number in range(held.start, held.stop)}


def state_of(store: Store) -> tuple[ExperimentState, str]:
    progress = kept(store).progress
    return progress.state, progress.reason


def test_one_that_is_in_the_file_is_planned_and_changes_nothing(store: Store, publisher: Publisher) -> None:
    entry = in_force(store)

    assert entry.experiment == ExperimentEntry(id=None, name="v2", state=ExperimentState.PLANNED, step=0, arms=(V1, V2))
    assert (entry.split, entry.salt, entry.overlay) == ({V1: 10_000, V2: 0}, "support.1", ())
    newest = snapshots.latest(store)
    assert newest is not None
    assert decode_snapshot(encode_snapshot(newest)) == newest


def test_the_start_divides_all_units_anew(store: Store, publisher: Publisher) -> None:
    entry = start(publisher)

    assert (entry.salt, entry.split) == ("support.2", {V1: 9_900, V2: 100})
    assert shares(entry.ranges) == {V1: 9_900, V2: 100}
    assert entry.experiment is not None
    assert (entry.experiment.state, entry.experiment.step) == (ExperimentState.RUNNING, 0)
    found = kept(store)
    assert entry.experiment.id == found.id
    assert (found.salt, found.contract, found.ended_us) == ("support.2", CONTRACT, None)
    assert found.progress.started_us == found.progress.step_since_us == found.updated_us
    assert strata(store) == [(0, entry.ranges_revision, 100)]


def test_arms_that_are_not_compared_get_nothing(store: Store) -> None:
    publisher = Publisher(store, Clock())
    publisher.publish_file(file_with(split={V1: 4_000, V2: 1_000, V3: 5_000}), "file")

    assert start(publisher).split == {V1: 9_900, V2: 100, V3: 0}


def test_the_hold_out_stays_with_the_baseline_to_the_end(store: Store) -> None:
    publisher = Publisher(store, Clock())
    publisher.publish_file(file_with(replace(CONTRACT, holdout=1_000, steps=(100, 5_000, 10_000))), "file")
    start(publisher)
    ramp(publisher, 2)
    by_itself(publisher, "promote")

    assert in_force(store).split == {V1: 1_000, V2: 9_000}
    assert [share for _, _, share in strata(store)] == [90, 4_500, 9_000]


def test_units_stay_with_the_candidate_from_step_to_step(store: Store, publisher: Publisher) -> None:
    before = start(publisher)
    for step in range(1, LAST + 1):
        after = by_itself(publisher, "step", step)
        assert after.salt == before.salt
        assert buckets(before.ranges, V2) < buckets(after.ranges, V2)
        assert shares(after.ranges)[V2] == CONTRACT.steps[step]
        before = after

    assert [(step, share) for step, _, share in strata(store)] == list(enumerate(CONTRACT.steps))
    assert len({revision for _, revision, _ in strata(store)}) == LAST + 1
    progress = kept(store).progress
    assert progress.started_us is not None
    assert (progress.step, progress.reason) == (LAST, "because")
    assert progress.step_since_us > progress.started_us


def test_who_is_promoted_keeps_everything(store: Store, publisher: Publisher) -> None:
    start(publisher)
    before = ramp(publisher, LAST)
    after = by_itself(publisher, "promote")

    assert (after.split, after.ranges_revision) == ({V1: 0, V2: 10_000}, before.ranges_revision)
    assert after.experiment is not None
    assert after.experiment.state is ExperimentState.PROMOTED
    assert kept(store).ended_us is not None
    assert state_of(store) == (ExperimentState.PROMOTED, "because")


@pytest.mark.parametrize(
    ("move", "state"),
    [("roll_back_experiment", ExperimentState.ROLLED_BACK), ("end_inconclusive", ExperimentState.INCONCLUSIVE)],
)
def test_without_success_every_unit_is_where_it_was(
    store: Store, publisher: Publisher, move: str, state: ExperimentState
) -> None:
    before = in_force(store)
    start(publisher)
    ramp(publisher, 2)
    after = by_itself(publisher, move)

    assert (after.split, after.ranges, after.salt) == (before.split, before.ranges, before.salt)
    assert after.experiment is not None
    assert after.experiment.state is state
    assert state_of(store) == (state, "because")
    assert len(strata(store)) == 3


def test_after_a_roll_back_the_candidate_has_nothing_even_if_it_had_before(store: Store) -> None:
    publisher = Publisher(store, Clock())
    publisher.publish_file(file_with(split={V1: 6_000, V2: 3_000, V3: 1_000}), "file")
    before = in_force(store)
    start(publisher)
    after = by_itself(publisher, "roll_back_experiment")

    assert (after.split, after.salt) == ({V1: 9_000, V2: 0, V3: 1_000}, before.salt)
    assert buckets(after.ranges, V3) == buckets(before.ranges, V3)
    assert buckets(after.ranges, V1) == buckets(before.ranges, V1) | buckets(before.ranges, V2)


def test_what_is_no_longer_configured_leaves_its_share_to_the_baseline(store: Store) -> None:
    publisher = Publisher(store, Clock())
    publisher.publish_file(file_with(split={V1: 6_000, V2: 0, V3: 4_000}), "file")
    start(publisher)
    file = file_with()
    publisher.publish_file(
        structs.replace(file, models={name: model for name, model in file.models.items() if name != V3}), "file"
    )

    assert by_itself(publisher, "roll_back_experiment").split == {V1: 10_000, V2: 0}


def test_a_roll_back_by_hand_after_that_of_an_experiment_goes_past_it(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V1: 8_000, V3: 2_000})
    split_to(publisher, {V1: 7_000, V3: 3_000})
    start(publisher)
    ramp(publisher, 2)
    by_itself(publisher, "roll_back_experiment")

    assert roll_back(publisher).split == {V1: 8_000, V2: 0, V3: 2_000}


def test_a_pause_leaves_the_split_and_a_resume_goes_on_with_it(store: Store, publisher: Publisher) -> None:
    start(publisher)
    before = ramp(publisher, 1)
    paused = by_hand(publisher, "pause", "lunch")
    assert (paused.split, paused.ranges_revision) == (before.split, before.ranges_revision)
    assert state_of(store) == (ExperimentState.PAUSED, "paused by ops: lunch")
    since_us = kept(store).progress.step_since_us

    resumed = by_hand(publisher, "resume")
    assert (resumed.split, resumed.ranges_revision) == (before.split, before.ranges_revision)
    assert state_of(store) == (ExperimentState.RUNNING, "resumed by ops")
    assert kept(store).progress.step == 1
    assert kept(store).progress.step_since_us > since_us
    assert len(strata(store)) == 2


HANDS: list[Callable[[Publisher], object]] = [
    lambda publisher: split_to(publisher, {V1: 5_000, V2: 5_000}),
    roll_back,
    lambda publisher: publisher.change_route(SUPPORT, ClearOverlay(), who="ops", reason=None, expected_etag=None),
]


@pytest.mark.parametrize("hand", HANDS, ids=["a split", "a roll-back", "a cleared overlay"])
def test_a_split_by_hand_pauses_and_a_resume_restores_the_step(
    store: Store, publisher: Publisher, hand: Callable[[Publisher], object]
) -> None:
    start(publisher)
    before = ramp(publisher, 2)
    hand(publisher)

    assert state_of(store) == (ExperimentState.PAUSED, "manual")
    assert in_force(store).ranges != before.ranges
    newest = snapshots.latest(store)
    assert newest is not None
    told, change = audit.entries(store, route=SUPPORT, limit=2)
    assert told.action == "experiment"
    assert told.who == change.who == "ops"
    assert told.revision == change.revision == newest.revision
    assert told.reason == "manual"
    assert told.detail["state"] == {"from": "running", "to": "paused"}

    resumed = by_hand(publisher, "resume")
    assert (resumed.ranges, resumed.salt) == (before.ranges, before.salt)
    assert [(step, share) for step, _, share in strata(store)] == [(0, 100), (1, 500), (2, 2_500), (2, 2_500)]
    assert strata(store)[-1][1] == resumed.ranges_revision > before.ranges_revision


def test_what_is_no_split_pauses_nothing(store: Store, publisher: Publisher) -> None:
    start(publisher)
    change: RouteChange = PolicyChange(fallback_enabled=False)
    publisher.change_route(SUPPORT, change, who="ops", reason=None, expected_etag=None)

    assert state_of(store) == (ExperimentState.RUNNING, "started by ops")


def test_a_paused_one_is_not_paused_again(store: Store, publisher: Publisher) -> None:
    start(publisher)
    by_hand(publisher, "pause")
    split_to(publisher, {V1: 5_000, V2: 5_000})

    assert state_of(store) == (ExperimentState.PAUSED, "paused by ops")


def test_an_abort_returns_to_the_split_before(store: Store, publisher: Publisher) -> None:
    before = in_force(store)
    start(publisher)
    after = by_hand(publisher, "abort", "wrong data")

    assert (after.split, after.ranges, after.salt) == (before.split, before.ranges, before.salt)
    assert state_of(store) == (ExperimentState.ROLLED_BACK, "aborted by ops: wrong data")


def test_an_abort_keeps_what_somebody_has_set_since(store: Store, publisher: Publisher) -> None:
    start(publisher)
    split_to(publisher, {V1: 2_000, V2: 8_000})
    before = in_force(store)
    after = by_hand(publisher, "abort")

    assert (after.split, after.ranges, after.salt) == (before.split, before.ranges, before.salt)
    assert state_of(store) == (ExperimentState.ROLLED_BACK, "aborted by ops")


def test_every_move_is_an_audit_row_with_its_numbers(store: Store, publisher: Publisher) -> None:
    start(publisher, reason="go")
    by_itself(publisher, "step", 1)
    by_itself(publisher, "roll_back_experiment")

    back, step, begun = audit.entries(store, route=SUPPORT, limit=3)
    found = {"experiment": "v2", "id": kept(store).id}
    assert (begun.who, begun.action, begun.reason) == ("ops", "experiment", "started by ops: go")
    assert begun.detail == {
        **found,
        "state": {"from": "planned", "to": "running"},
        "step": 0,
        "split": {"from": {"v1": 10_000, "v2": 0}, "to": {"v1": 9_900, "v2": 100}},
    }
    assert (step.who, step.action, step.reason) == ("experiment", "experiment", "because")
    assert step.detail == {
        **found,
        "state": {"from": "running", "to": "running"},
        "step": {"from": 0, "to": 1},
        "numbers": NUMBERS,
        "split": {"from": {"v1": 9_900, "v2": 100}, "to": {"v1": 9_500, "v2": 500}},
    }
    assert back.detail["state"] == {"from": "running", "to": "rolled_back"}
    assert back.detail["numbers"] == NUMBERS


def test_states_in_which_something_cannot_be_done_say_so(store: Store, publisher: Publisher) -> None:
    place = "experiment 'v2' of route 'support' is"
    for name in ("pause", "resume", "abort"):
        with pytest.raises(WrongState, match=f"^{place} planned, not (running|paused|running or paused)$"):
            by_hand(publisher, name)
    for name, arguments in (("step", (1,)), ("promote", ()), ("roll_back_experiment", ()), ("end_inconclusive", ())):
        with pytest.raises(WrongState, match=f"^{place} planned, not running$"):
            by_itself(publisher, name, *arguments)

    start(publisher)
    with pytest.raises(WrongState, match=f"^{place} running; abort it before another one is started$"):
        start(publisher)
    with pytest.raises(WrongState, match=f"^{place} running, not paused$"):
        by_hand(publisher, "resume")
    with pytest.raises(WrongState, match="is at step 0 of 0 to 4, so that nothing can be promoted yet"):
        by_itself(publisher, "promote")
    for wrong in (0, 2):
        with pytest.raises(WrongState, match=f"is at step 0 of 0 to 4, so that {wrong} is not the next"):
            by_itself(publisher, "step", wrong)
    ramp(publisher, LAST)
    with pytest.raises(WrongState, match="is at step 4 of 0 to 4, so that 5 is not the next"):
        by_itself(publisher, "step", LAST + 1)

    by_hand(publisher, "pause")
    with pytest.raises(WrongState, match=f"^{place} paused, not running$"):
        by_itself(publisher, "promote")
    by_hand(publisher, "abort")
    for name in ("pause", "resume", "abort"):
        with pytest.raises(WrongState, match=f"^{place} rolled back, not"):
            by_hand(publisher, name)
    with pytest.raises(WrongState, match=r"is over \(rolled back\); give the next one another name in the file$"):
        start(publisher)


def test_a_decision_about_one_experiment_does_not_reach_the_next(store: Store, publisher: Publisher) -> None:
    start(publisher)
    decided_on = kept(store).id
    by_hand(publisher, "abort")
    publisher.publish_file(file_with(replace(CONTRACT, name="again")), "file")
    start(publisher)

    with pytest.raises(WrongState, match="has another experiment by now, 'again'"):
        publisher.roll_back_experiment(SUPPORT, reason="because", experiment_id=decided_on)
    assert kept(store, "again").progress.state is ExperimentState.RUNNING
    publisher.roll_back_experiment(SUPPORT, reason="because", experiment_id=kept(store, "again").id)


def test_the_next_experiment_has_a_salt_of_its_own(store: Store, publisher: Publisher) -> None:
    start(publisher)
    by_hand(publisher, "abort")
    assert in_force(store).salt == "support.1"
    publisher.publish_file(file_with(replace(CONTRACT, name="again")), "file")

    assert start(publisher).salt == "support.3"
    assert next_salt(RouteName("a.b"), {"a.b.9", "a.b.10", "axb.12", "a.b.11.12", "a.b.x"}) == "a.b.11"


def test_a_route_without_one_has_nothing_to_start_or_stop(store: Store) -> None:
    publisher = Publisher(store, Clock())
    publisher.publish_file(file_with(None), "file")
    for name in ("start_experiment", "pause", "resume", "abort"):
        with pytest.raises(
            NoExperiment, match=r"has no experiment in the file; write one at routes.support.experiment"
        ):
            by_hand(publisher, name)
    with pytest.raises(UnknownRoute, match="there is no route 'nowhere'"):
        publisher.start_experiment(RouteName("nowhere"), who="ops", reason=None, expected_etag=None)
    assert in_force(store).experiment is None


CHANGED = [
    pytest.param(
        file_with(replace(CONTRACT, alpha=0.1)),
        "experiment: experiment 'v2' is {}, and its contract does not change",
        id="alpha",
    ),
    pytest.param(file_with(replace(CONTRACT, name="v3")), "experiment.name: experiment 'v2' is {}", id="name"),
]


@pytest.mark.parametrize(("file", "sentence"), CHANGED)
def test_a_contract_does_not_change_until_its_experiment_is_over(
    store: Store, publisher: Publisher, file: FileDocument, sentence: str
) -> None:
    start(publisher)
    before = snapshots.latest(store)
    for state in ("running", "paused"):
        with pytest.raises(ExperimentConflict) as caught:
            publisher.publish_file(file, "file")
        assert str(caught.value) == (
            f"routes.support.{sentence.format(state)}; leave it as it was, or end it first: "
            "fallgate experiment support abort"
        )
        assert isinstance(caught.value, OverlayConflict)
        if state == "running":
            assert snapshots.latest(store) == before
            by_hand(publisher, "pause")
    by_hand(publisher, "abort")

    assert publisher.publish_file(file, "file") is not None


def test_whom_the_split_keeps_together_does_not_change_either(store: Store, publisher: Publisher) -> None:
    start(publisher)
    file = file_with()
    file = structs.replace(file, routes={SUPPORT: structs.replace(file.routes[SUPPORT], unit=("key",))})

    with pytest.raises(ExperimentConflict, match=r"routes\.support\.unit: experiment 'v2' is running, and its units"):
        publisher.publish_file(file, "file")


def test_anything_else_in_a_file_may_change_while_it_is_running(store: Store, publisher: Publisher) -> None:
    before = start(publisher)
    publisher.publish_file(file_with(split={V1: 5_000, V2: 5_000}), "file")

    after = in_force(store)
    assert (after.split, after.ranges_revision) == (before.split, before.ranges_revision)
    assert state_of(store)[0] is ExperimentState.RUNNING


def test_a_file_without_it_pauses_it_until_it_is_back(store: Store, publisher: Publisher) -> None:
    before = start(publisher)
    publisher.publish_file(file_with(None), "file")

    assert state_of(store) == (ExperimentState.PAUSED, "its contract is not in the file any more")
    assert in_force(store).ranges == before.ranges
    entry = audit.entries(store, route=SUPPORT, limit=1)[0]
    assert (entry.action, entry.who) == ("experiment", "file")
    assert entry.detail["state"] == {"from": "running", "to": "paused"}
    experiment = in_force(store).experiment
    assert experiment is not None
    assert experiment.state is ExperimentState.PAUSED
    with pytest.raises(WrongState, match="the contract of experiment 'v2' is not in the file any more; give it back"):
        by_hand(publisher, "resume")

    publisher.publish_file(file_with(), "file")
    by_hand(publisher, "resume")
    assert state_of(store)[0] is ExperimentState.RUNNING


def test_one_that_is_not_in_the_file_can_be_aborted(store: Store, publisher: Publisher) -> None:
    start(publisher)
    publisher.publish_file(file_with(None), "file")

    assert by_hand(publisher, "abort").split == {V1: 10_000, V2: 0}
    assert in_force(store).experiment is None


def test_a_file_without_the_route_pauses_it(store: Store, publisher: Publisher) -> None:
    start(publisher)
    file = file_with()
    other = structs.replace(file, routes={RouteName("other"): file.routes[SUPPORT]})
    publisher.publish_file(other, "file")

    assert state_of(store)[0] is ExperimentState.PAUSED


def test_calibrations_stay_as_they_are_while_it_is_running(store: Store, publisher: Publisher) -> None:
    start(publisher)
    assert publisher.publish_calibration([calibration("v1.1")], "calibration") is None

    by_hand(publisher, "pause")
    assert publisher.publish_calibration([calibration("v1.1")], "calibration") is not None


def test_the_tag_of_the_route_tells_how_far_it_is(store: Store, publisher: Publisher) -> None:
    tags = [route_etag(in_force(store))]
    start(publisher)
    tags.append(route_etag(in_force(store)))
    for name in ("pause", "resume"):
        by_hand(publisher, name)
        tags.append(route_etag(in_force(store)))
    ramp(publisher, 1)
    tags.append(route_etag(in_force(store)))

    planned, running, paused, resumed, stepped = tags
    assert len({planned, running, paused, stepped}) == 4
    assert resumed == running


@pytest.mark.parametrize("name", ["start_experiment", "pause"])
def test_of_two_operators_one_wins(store: Store, store_url: str, publisher: Publisher, name: str) -> None:
    if name == "pause":
        start(publisher)
    etag = route_etag(in_force(store))

    def act(number: int) -> str:
        opened = open_store(store_url)
        try:
            own = Publisher(opened, Clock())
            if number % 2:
                own.change_route(
                    SUPPORT, SplitChange(split={V1: 9_000, V2: 1_000}), who="ops", reason=None, expected_etag=etag
                )
            else:
                getattr(own, name)(SUPPORT, who="ops", reason=None, expected_etag=etag)
        except PreconditionFailed:
            return "lost"
        finally:
            opened.close()
        return "won"

    with ThreadPoolExecutor(4) as pool:
        results = sorted(pool.map(act, range(4)))

    assert results == ["lost", "lost", "lost", "won"]


def test_a_refused_move_leaves_nothing_behind(store: Store, publisher: Publisher) -> None:
    start(publisher)
    file = file_with(None)
    publisher.publish_file(file, "file")
    publisher.publish_file(structs.replace(file, models={name: file.models[name] for name in (V1, V2, LARGE)}), "file")
    before, revision = kept(store), snapshots.latest(store)
    with pytest.raises(ChangeRefused):
        by_hand(publisher, "resume")

    assert kept(store) == before
    assert snapshots.latest(store) == revision
