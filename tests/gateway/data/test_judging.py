"""The gates of a route's arms, and the thresholds of a budget, which move while snapshots come and go."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from gateway.data.judging import ArmTrackers, Trackers, policy_of
from gateway.snapshot.document import ConfidenceEntry, FallbackEntry, JudgeEntry
from routing.answer.policy import AnswerPolicy, HoldWindow
from routing.confidence.features import Features
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scorer import Calibration, Scorer, ScorerKind
from routing.confidence.scores import ScoreName
from routing.confidence.tally import tally
from routing.words import ModelName, Reason

V1 = ModelName("v1")
FIRST = Scorer(kind=ScorerKind.FIRST_TOKEN)
RANK = Scorer(kind=ScorerKind.RANK, grid=(-4.0, -2.0, -1.0, -0.5))
SHARE = 0.2


def budget(
    trackers: ArmTrackers,
    calibration: Calibration | None = None,
    *,
    share: float = SHARE,
    score: ScoreName | None = None,
    whole: float | None = None,
    prefix: float | None = None,
) -> AnswerPolicy:
    entry = FallbackEntry(
        to=ModelName("large"),
        when=frozenset({Reason.LOW_CONFIDENCE}),
        confidence=ConfidenceEntry(mode=ConfidenceMode.BUDGET, share=share, score=score),
        hold=HoldWindow(tokens=16, ms=300),
    )
    judge = JudgeEntry(calibration=calibration, whole_threshold=whole, prefix_threshold=prefix, is_armed=True)
    return policy_of(entry, judge, trackers)


def calibration(version: str, prefix: Scorer | None = RANK) -> Calibration:
    return Calibration(version=version, labels=0, whole=FIRST, prefix=prefix)


def answer(logprob: float) -> Features:
    found = tally([("word", logprob)])
    assert found is not None
    return found


SURE, UNSURE = answer(-0.01), answer(-3.0)


def threshold_of(policy: AnswerPolicy) -> float | None:
    return policy.gate.judge(None).threshold


def moved(policy: AnswerPolicy, times: int = 50) -> float:
    for _ in range(times):
        policy.gate.judge(SURE)
    found = threshold_of(policy)
    assert found is not None
    return found


def test_a_snapshot_that_changes_nothing_here_leaves_the_threshold_where_it_is() -> None:
    trackers = ArmTrackers(workers=1)
    before = moved(budget(trackers, calibration("v1.1"), whole=0.3))
    assert before == pytest.approx(0.3 + 50 * 0.02 * SHARE)
    assert threshold_of(budget(trackers, calibration("v1.1"), whole=0.3)) == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({}, {"calibration": calibration("v1.1")}, id="a first calibration"),
        pytest.param({"calibration": calibration("v1.1")}, {"calibration": calibration("v1.2")}, id="another one"),
        pytest.param({}, {"score": ScoreName.FIRST_TOKEN}, id="another raw score"),
    ],
)
def test_on_another_scale_the_threshold_begins_anew(first: dict[str, Any], second: dict[str, Any]) -> None:
    trackers = ArmTrackers(workers=1)
    old = budget(trackers, **first)
    before = moved(old)
    new = budget(trackers, **second)
    assert threshold_of(new) == 0.0
    assert threshold_of(budget(ArmTrackers(workers=1), **second, whole=0.4)) == 0.4
    # A request of before the change goes on with the scale and the threshold that it knows, and moves no other.
    assert threshold_of(old) == before
    moved(old)
    assert threshold_of(new) == 0.0


def test_another_share_goes_on_from_where_the_threshold_is_unless_its_quantile_is_known() -> None:
    trackers = ArmTrackers(workers=1)
    before = moved(budget(trackers))
    assert threshold_of(budget(trackers, share=0.4)) == before
    assert threshold_of(budget(trackers, share=0.5, whole=0.6)) == 0.6


def test_whole_answers_starts_and_late_judgements_have_thresholds_of_their_own() -> None:
    policy = budget(ArmTrackers(workers=1), calibration("v1.1"), whole=0.5, prefix=0.25)
    policy.gate.judge(SURE)
    policy.gate.judge_late(UNSURE)
    found = [judge(None).threshold for judge in (policy.gate.judge, policy.gate.judge_prefix, policy.gate.judge_late)]
    assert found == [pytest.approx(0.504), 0.25, pytest.approx(0.484)]


def test_starts_that_no_scorer_knows_are_not_judged() -> None:
    policy = budget(ArmTrackers(workers=1), calibration("v1.1", prefix=None), whole=0.5)
    assert (policy.gate.acts, policy.gate.acts_on_prefixes, policy.holds) == (True, False, False)


def test_starts_of_another_length_than_the_scorer_knows_are_not_judged() -> None:
    known, other = (replace(calibration("v1.1"), prefix_tokens=tokens) for tokens in (16, 32))
    policies = [budget(ArmTrackers(workers=1), made, whole=0.5, prefix=0.25) for made in (known, other)]
    assert [policy.gate.acts_on_prefixes for policy in policies] == [True, False]


def test_the_number_of_workers_changes_the_steps_at_once_and_nothing_else() -> None:
    trackers = Trackers()
    policy = budget(trackers.of(V1), whole=0.5)
    trackers.are_of(4)
    assert threshold_of(policy) == 0.5
    policy.gate.judge(SURE)
    assert threshold_of(policy) == pytest.approx(0.5 + 4 * 0.02 * SHARE)
    assert trackers.of(ModelName("v2")).workers == 4


@pytest.mark.parametrize("workers", [1, 4])
def test_whole_answers_and_streams_together_keep_the_share_in_every_window_of_500(workers: int) -> None:
    """Topics come in blocks, one after the other; each worker sees a part, and a third of what it sees are whole."""
    chance = Random(workers)
    parts = [Trackers(workers=workers).of(V1) for _ in range(workers)]
    policies = [budget(part, score=ScoreName.MEAN_LOGPROB) for part in parts]
    doubted = []
    for number in range(8_000):
        low, high = ((0.6, 0.95), (0.3, 0.7), (0.5, 0.99), (0.2, 0.6))[number // 1_000 % 4]
        features = answer(-chance.uniform(1 - high, 1 - low))
        gate = chance.choice(policies).gate
        is_whole = chance.random() < 1 / 3
        doubted.append((gate.judge if is_whole else gate.judge_prefix)(features).is_doubtful)
    shares = [sum(doubted[at : at + 500]) / 500 for at in range(1_000, len(doubted), 500)]
    assert all(abs(share - SHARE) <= 0.05 for share in shares), shares
