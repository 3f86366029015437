"""Experiments carried on by themselves: what is seen, what is done, and what is kept of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from gateway.control.loops.experiments import Experiments
from gateway.control.loops.following import slot_us
from gateway.snapshot.change import SplitChange
from gateway.snapshot.publish import Publisher
from gateway.store import audit, experiments, snapshots, workers
from gateway.store.engine import Store
from gateway.store.experiments import StoredExperiment
from gateway.store.workers import WorkerReport
from routing.experiment.contract import Contract, ExperimentMode, ExperimentState, Goal, Limit, MetricName
from routing.words import ModelName, Outcome, Reason
from tests.fakes.documents import SUPPORT, V1, V2
from tests.fakes.experiments import CONTRACT, RUNNING, experiment, file_with
from tests.fakes.exposures import SECOND_US, START_US, Exposures
from tests.fakes.publishing import in_force

QUICK = replace(
    CONTRACT,
    steps=(500, 5000, 10_000),
    soak_us=5 * SECOND_US,
    horizon_us=0,
    min_units=100,
    planned_units=4000,
    stop_us=START_US + 3600 * SECOND_US,
    guardrails=(Limit(metric=MetricName.FAILURE_SHARE, margin=0.01),),
)
"""Three steps of five seconds."""


@dataclass
class Scene:
    """A route with an experiment, its traffic, and a loop whose time is made here."""

    store: Store
    contract: Contract
    now_s: float = 0.0
    chance: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.store, self.clock)
        self.publisher.publish_file(file_with(self.contract), "file")
        self.publisher.start_experiment(SUPPORT, who="ops", reason=None, expected_etag=None)
        self.exposures = Exposures(self.store)
        self.rollbacks_s: list[tuple[str, float]] = []
        self.loop = self.new_loop()

    def clock(self) -> int:
        return START_US + round(self.now_s * SECOND_US)

    def new_loop(self) -> Experiments:
        return Experiments(
            self.store,
            self.publisher,
            lambda route, seconds: self.rollbacks_s.append((route, seconds)),
            self.clock,
            lambda: self.now_s,
        )

    @property
    def stored(self) -> StoredExperiment:
        with self.store.reading() as connection:
            found = experiments.one(connection, SUPPORT, self.contract.name)
        assert found is not None
        return found

    @property
    def state(self) -> ExperimentState:
        return self.stored.progress.state

    @property
    def result(self) -> dict[str, Any]:
        with self.store.reading() as connection:
            found = experiments.newest_result(connection, self.stored.id)
        assert found is not None
        body: dict[str, Any] = found[1]
        return body

    @property
    def moves(self) -> list[Any]:
        """What was done by itself, the first first."""
        found = audit.entries(self.store, route=SUPPORT)
        return [one for one in reversed(found) if one.action == "experiment" and one.who == "experiment"]

    def serve(self, n: int, success: dict[ModelName, float], failing: dict[ModelName, float] | None = None) -> None:
        """A second of traffic, each request of another user, who says whether it was a success."""
        entry, entries = in_force(self.store), []
        for number in range(n):
            arm = V2 if self.chance.random() * 10_000 < entry.split.get(V2, 0) else V1
            is_failed = self.chance.random() < (failing or {}).get(arm, 0.0)
            changed = {"outcome": Outcome.FAILED, "reason": Reason.ERROR, "model": None} if is_failed else {}
            unit = f"{self.now_s}-{number}"
            made = self.exposures.one(
                unit, arm, at_s=self.now_s + number / n, ranges_revision=entry.ranges_revision, **changed
            )
            entries.append(made)
            self.exposures.say(made[0], success=not is_failed and self.chance.random() < success[arm])
        self.exposures.write(*entries, writer=f"w{int(self.now_s) % 2}")

    def until(
        self, over: Callable[[], bool], success: dict[ModelName, float], *, most_s: int = 300, n: int = 100
    ) -> int:
        """Traffic and looks, second by second; how many it took."""
        for second in range(most_s):
            if over():
                return second
            self.serve(n, success)
            self.now_s += 1
            while self.loop.run():
                pass
        raise AssertionError(f"nothing came of it in {most_s} s: {self.result}")


EQUAL = {V1: 0.8, V2: 0.8}
BETTER = {V1: 0.6, V2: 0.9}


@pytest.fixture
def build(sqlite_store: Store) -> Callable[..., Scene]:
    return lambda **changed: Scene(sqlite_store, replace(QUICK, **changed))


def test_a_better_version_goes_all_the_way_by_itself(build: Callable[..., Scene]) -> None:
    scene = build()
    scene.until(lambda: scene.state.is_over, BETTER, n=300)
    assert scene.state is ExperimentState.PROMOTED
    assert in_force(scene.store).split == {V1: 0, V2: 10_000}
    assert [one.detail["step"] for one in scene.moves] == [{"from": 0, "to": 1}, {"from": 1, "to": 2}, 2]
    last = scene.moves[-1]
    assert "feedback_success is better" in last.reason
    assert last.detail["numbers"]["feedback_success.lower"] > 0


def test_a_version_that_fails_is_rolled_back_at_once_with_the_numbers(build: Callable[..., Scene]) -> None:
    scene = build(steps=(5000, 10_000))
    scene.until(lambda: scene.now_s >= 5, EQUAL, n=50)
    assert scene.state is ExperimentState.RUNNING
    scene.serve(100, EQUAL, failing={V2: 1.0})
    scene.now_s += 1
    scene.loop.run()
    assert scene.stored.progress.state is ExperimentState.ROLLED_BACK
    assert "failure_share is worse by at least" in scene.stored.progress.reason
    assert in_force(scene.store).split[V2] == 0
    [move] = scene.moves
    assert move.detail["numbers"]["guardrail.failure_share.least_harm"] > 0.01
    assert scene.result["move"]["kind"] == "roll_back"
    assert scene.result["guardrails"][0]["is_breached"]


def report(scene: Scene, writer_id: str, revision: int) -> None:
    at_us = scene.clock()
    workers.report(
        scene.store,
        WorkerReport(
            writer_id=writer_id,
            host="h",
            pid=1,
            revision=revision,
            loaded_us=at_us,
            heartbeat_us=at_us,
            started_us=at_us,
            ready=True,
        ),
    )


def test_a_roll_back_by_itself_is_timed_until_every_live_worker_has_it(build: Callable[..., Scene]) -> None:
    scene = build(steps=(5000, 10_000))
    scene.serve(300, EQUAL, failing={V2: 1.0})
    scene.now_s = 3
    report(scene, "w0", 2)
    report(scene, "w1", 2)
    assert scene.loop.run()  # comes again soon
    newest = snapshots.latest(scene.store)
    assert newest is not None
    assert scene.state is ExperimentState.ROLLED_BACK
    report(scene, "w0", newest.revision)
    scene.now_s = 3.3
    assert scene.loop.run()
    assert scene.rollbacks_s == []
    report(scene, "w1", newest.revision)
    scene.now_s = 3.5
    assert not scene.loop.run()
    assert scene.rollbacks_s == [(SUPPORT, 0.5)]
    assert not scene.loop.run()
    assert len(scene.rollbacks_s) == 1


def test_who_hangs_is_not_waited_for_in_a_hurry_for_ever(build: Callable[..., Scene]) -> None:
    scene = build(steps=(5000, 10_000))
    scene.serve(300, EQUAL, failing={V2: 1.0})
    scene.now_s = 3
    report(scene, "w0", 2)
    scene.loop.run()
    scene.now_s = 40
    report(scene, "w0", 2)
    assert not scene.loop.run()
    report(scene, "w0", 999)
    scene.loop.run()
    assert scene.rollbacks_s == [(SUPPORT, 37.0)]


def test_a_worker_that_fell_silent_does_not_hold_the_measure_up(build: Callable[..., Scene]) -> None:
    scene = build(steps=(5000, 10_000))
    report(scene, "gone", 2)
    scene.serve(300, EQUAL, failing={V2: 1.0})
    scene.now_s = 3
    assert scene.loop.run()
    scene.now_s = 11
    report(scene, "w0", 999)
    scene.loop.run()
    assert scene.rollbacks_s == [(SUPPORT, 8.0)]


def test_two_equal_versions_end_inconclusive_at_the_stop_date(build: Callable[..., Scene]) -> None:
    scene = build(stop_us=START_US + 15 * SECOND_US)
    assert scene.until(lambda: scene.state.is_over, EQUAL) == 15
    assert scene.state is ExperimentState.INCONCLUSIVE
    assert "the stop date" in scene.stored.progress.reason
    assert in_force(scene.store).split == {V1: 10_000, V2: 0}


def test_a_step_waits_for_its_units(build: Callable[..., Scene]) -> None:
    scene = build(soak_us=1)
    took_s = scene.until(lambda: scene.stored.progress.step == 1, EQUAL, n=300)
    assert min(scene.result["units"]["steps"][0]["matured"].values()) >= 100
    assert took_s > 5  # of the 300 units a second the candidate gets fifteen


def test_a_step_waits_for_its_soak(build: Callable[..., Scene]) -> None:
    scene = build(steps=(5000, 9000, 10_000))
    assert scene.until(lambda: scene.stored.progress.step == 1, EQUAL) == 5


def test_what_only_observes_says_what_it_would_do(build: Callable[..., Scene]) -> None:
    scene = build(mode=ExperimentMode.OBSERVE, steps=(5000, 9000, 10_000))
    scene.until(lambda: scene.now_s >= 10, BETTER)
    assert scene.state is ExperimentState.RUNNING
    assert scene.moves == []
    move = scene.result["move"]
    assert (move["kind"], move["to_step"], move["is_acted_on"]) == ("step", 1, False)


def test_a_split_by_hand_pauses_it_and_what_was_entered_goes_on(build: Callable[..., Scene]) -> None:
    scene = build()
    scene.until(lambda: scene.now_s >= 5, BETTER)
    scene.publisher.change_route(
        SUPPORT, SplitChange(split={V1: 0, V2: 10_000}), who="ops", reason=None, expected_etag=None
    )
    scene.until(lambda: scene.now_s >= 10, BETTER)
    assert scene.stored.progress.reason == "manual"
    assert scene.result["move"]["kind"] == "stay"
    [step] = scene.result["units"]["steps"]
    assert sum(step["entered"].values()) == 500
    assert in_force(scene.store).split[V2] == 10_000


def test_a_loop_that_starts_again_goes_on_where_the_last_one_was(build: Callable[..., Scene]) -> None:
    scene = build()
    scene.until(lambda: scene.now_s >= 4, EQUAL)
    scene.loop = scene.new_loop()
    scene.until(lambda: scene.now_s >= 6, EQUAL)
    [step] = scene.result["units"]["steps"]
    assert sum(step["entered"].values()) == 500  # the new loop looks at once, and again after five seconds


def test_the_result_has_every_figure_and_what_is_unknown_is_null(build: Callable[..., Scene]) -> None:
    scene = build(primary=Goal(metric=MetricName.AUDIT_AGREEMENT))
    scene.until(lambda: scene.now_s >= 8, EQUAL)
    result = scene.result
    assert result["primary"] == "audit_agreement"
    assert result["ruling"] == "wait"
    assert result["numbers"]["audit_agreement.lower"] is None
    assert {"feedback_success", "fallback_share", "failure_share", "latency_ms", "cost_usd"} <= set(result["effects"])
    assert not result["sample_ratio"]["is_off"]
    assert 0.9 < result["coverage"]["feedback_success"]["v1"] <= 1.0
    effect = result["effects"]["feedback_success"]
    assert effect["lower"] < effect["effect"] < effect["upper"]
    assert effect["units"]["v1"] > effect["units"]["v2"] > 0


@pytest.mark.parametrize(
    ("age_s", "width_s"), [(0, 5), (499, 5), (501, 10), (7200, 80), (30 * 86_400, 40_960)], ids="{}".format
)
def test_results_are_kept_less_often_the_longer_it_lasts(age_s: int, width_s: int) -> None:
    running = experiment(QUICK, replace(RUNNING, started_us=START_US))
    now_us = START_US + age_s * SECOND_US
    begin_us = slot_us(running, now_us)
    assert begin_us <= now_us < begin_us + width_s * SECOND_US
    assert begin_us % (width_s * SECOND_US) == 0
