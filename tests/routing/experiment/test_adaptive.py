"""Adaptive experiments: who gets what, when one of several arms is the best, and how often that is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from routing.experiment.advance import MoveKind
from routing.experiment.contract import ExperimentMode, ExperimentState, Goal, Limit, MetricName
from routing.experiment.ruling import Ruling
from tests.fakes.batches import ADAPTIVE, ARMS, EVENLY, LATE_US, RUNNING, V1, V2, V3, Batches, play

FAILURES = replace(ADAPTIVE, primary=Goal(metric=MetricName.FAILURE_SHARE))
SECOND_US = 1_000_000


def scene(*events: int, n: int = 2000, batches: int = 2, **changed: object) -> Batches:
    """Batches of `n` units an arm with so many events."""
    found = Batches(replace(ADAPTIVE, **changed))  # type: ignore[arg-type]
    for _ in range(batches):
        found.add(dict.fromkeys(ARMS, n), dict(zip(ARMS, events, strict=True)))
    return found


def test_equal_arms_are_told_apart_in_at_most_5_percent_while_success_drifts_and_shares_follow_chance() -> None:
    # 20 looks at each of 40; of 400 that were looked at 30 times each, none was wrong either.
    chance, runs = np.random.default_rng(31), 40
    ended = [play(chance, {}, most=20) for _ in range(runs)]
    assert sum(one.move is not None or one.arms.arm is not None for one in ended) <= 0.05 * runs
    assert not any(one.arms.sample_ratio.is_off for one in ended)
    assert all(one.batches.shares != EVENLY for one in ended)


@pytest.mark.parametrize(
    ("contract", "gain"), [pytest.param(ADAPTIVE, 0.06, id="more is better"), pytest.param(FAILURES, -0.06, id="less")]
)
def test_the_best_is_found_and_gets_most_meanwhile(contract: object, gain: float) -> None:
    chance = np.random.default_rng(32)
    for _ in range(6):
        ended = play(chance, {V3: gain}, contract, most=40)  # type: ignore[arg-type]
        assert ended.move is not None
        assert (ended.move.kind, ended.move.arm) == (MoveKind.PROMOTE, V3)
        assert ended.units[V3] == max(ended.units.values())


def test_a_baseline_that_is_the_best_ends_it() -> None:
    ended = play(np.random.default_rng(33), {V2: -0.1, V3: -0.1})
    assert ended.move is not None
    assert ended.move.kind is MoveKind.ROLL_BACK
    assert ended.move.reason == "v1 is better in feedback_success than every candidate"


def test_two_that_are_better_alike_wait_and_one_of_them_is_taken_at_the_stop_date() -> None:
    found = scene(1200, 1500, 1500)
    arms = found.judge()
    assert (arms.ruling, arms.arm) == (Ruling.WAIT, V2)
    assert arms.reason == "v2 is better in feedback_success than v1, but not surely than v3"
    late = found.move(arms, now_us=LATE_US)
    assert (late.kind, late.arm) == (MoveKind.PROMOTE, V2)
    assert late.reason.startswith("at the stop date, ")


def test_nothing_sure_at_the_stop_date_is_inconclusive() -> None:
    found = scene(1200, 1205, 1195)
    late = found.move(found.judge(), now_us=LATE_US)
    assert late.kind is MoveKind.INCONCLUSIVE
    assert late.is_acted_on


def test_a_verdict_waits_for_the_units_of_every_arm() -> None:
    found = scene(30, 45, 30, n=45)
    assert found.judge().reason == "90 units in an arm, where 100 are needed"
    assert Batches(ADAPTIVE).judge().reason == "0 units in an arm, where 100 are needed"


def test_units_are_divided_anew_by_what_was_seen_and_the_most_go_to_who_may_be_best() -> None:
    found = scene(1200, 1230, 1100)
    move = found.move(found.judge())
    assert move.kind is MoveKind.ALLOCATE
    assert move.shares is not None
    assert sum(move.shares.values()) == 10_000
    assert move.shares[V1] > 4000
    assert move.shares[V2] > 4000
    assert move.shares[V3] < 900
    found.shares = dict(move.shares)
    again = found.move(found.judge())
    assert again.kind is MoveKind.STAY
    assert again.reason.startswith("units stay divided as they are")


def test_before_100_units_an_arm_they_are_divided_evenly() -> None:
    found = scene(40, 10, 0, n=45)
    assert found.move(found.judge()).kind is MoveKind.STAY


def test_arms_without_any_event_are_not_known_for_sure() -> None:
    found = scene(0, 1, 1, n=60, primary=Goal(metric=MetricName.FAILURE_SHARE))
    move = found.move(found.judge())
    shares = move.shares or EVENLY
    assert min(shares.values()) > 2000


def test_a_batch_lasts_its_soak_and_its_units() -> None:
    found = scene(1200, 1230, 1100, soak_us=10 * SECOND_US)
    arms = found.judge()
    early = found.move(arms, now_us=4 * SECOND_US)
    assert (early.kind, early.reason) == (MoveKind.STAY, "this batch has to last 6 s longer")
    few = found.move(arms, now_us=11 * SECOND_US, entered=19)
    assert (few.kind, few.reason) == (MoveKind.STAY, "19 units in an arm of this batch, where 20 are needed")


def test_a_verdict_waits_for_the_soak_and_harm_for_nothing() -> None:
    better = scene(1200, 1600, 1200, soak_us=10 * SECOND_US)
    assert better.judge().ruling is Ruling.PROMOTE
    assert better.move(better.judge(), now_us=SECOND_US).kind is MoveKind.STAY
    assert better.move(better.judge(), now_us=10 * SECOND_US).kind is MoveKind.PROMOTE
    worse = scene(1600, 1200, 1200, soak_us=10 * SECOND_US)
    assert worse.move(worse.judge(), now_us=SECOND_US).kind is MoveKind.ROLL_BACK


def test_a_guardrail_that_any_candidate_hurts_ends_it() -> None:
    limits = (Limit(metric=MetricName.FEEDBACK_SUCCESS, margin=0.05),)
    found = scene(1600, 1600, 1300, guardrails=limits, primary=Goal(metric=MetricName.FEEDBACK_SUCCESS))
    arms = found.judge()
    assert arms.ruling is Ruling.ROLL_BACK
    assert arms.reason.startswith("feedback_success of v3 is worse by at least 0.")
    assert found.move(arms).kind is MoveKind.ROLL_BACK


def test_units_that_are_missing_block_every_verdict() -> None:
    found = Batches()
    found.add({V1: 20_000, V2: 20_000, V3: 17_000}, {V1: 10_000, V2: 15_000, V3: 8000})
    arms = found.judge()
    assert arms.ruling is Ruling.BLOCKED
    assert found.move(arms).kind is MoveKind.STAY
    assert found.move(arms, now_us=LATE_US).kind is MoveKind.INCONCLUSIVE


def test_units_that_are_missing_are_seen_over_batches_of_any_size() -> None:
    found = Batches()
    for _ in range(300):
        found.add({V1: 70, V2: 70, V3: 60}, {V1: 35, V2: 35, V3: 30})
    assert found.judge().sample_ratio.is_off


def test_what_is_paused_or_only_observes_does_nothing() -> None:
    found = scene(1200, 1600, 1200)
    paused = found.move(found.judge(), progress=replace(RUNNING, state=ExperimentState.PAUSED, reason="manual"))
    assert (paused.kind, paused.reason, paused.is_acted_on) == (MoveKind.STAY, "it is paused: manual", False)
    observing = scene(1200, 1600, 1200, mode=ExperimentMode.OBSERVE)
    assert observing.move(observing.judge()).kind is MoveKind.PROMOTE
    assert not observing.move(observing.judge()).is_acted_on


def test_every_figure_is_there_for_the_audit() -> None:
    limits = (Limit(metric=MetricName.FAILURE_SHARE, margin=0.05),)
    numbers = scene(1200, 1300, 1200, guardrails=limits).judge().numbers
    assert numbers["alpha"] == 0.05
    assert numbers["v2.effect"] == pytest.approx(0.05)
    assert numbers["v2.lower"] < 0.05 < numbers["v2.upper"]
    assert numbers["v1.mean"] == pytest.approx(0.6)
    assert {"v3.pvalue", "v3.units", "srm_pvalue", "v2.guardrail.failure_share.least_harm"} <= numbers.keys()
