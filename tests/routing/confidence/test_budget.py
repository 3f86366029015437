"""The law of the tracker, and its use: a wanted share in every window, whatever the traffic does."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.budget import STEP, BudgetTracker

WINDOW = 500
SHARE = 0.2


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=400), share=st.floats(0, 1), start=st.floats(0, 1))
def test_whatever_comes_the_share_is_within_the_bound_of_the_wanted_one(
    scores: list[float], share: float, start: float
) -> None:
    tracker = BudgetTracker(share, start)
    below = sum(tracker.observe(score) for score in scores)
    assert abs(below / len(scores) - share) <= (1 + STEP) / (STEP * len(scores)) + 1e-9


def test_a_fixed_sequence_has_these_thresholds() -> None:
    tracker = BudgetTracker(0.2, 0.5)
    assert [tracker.observe(score) for score in (0.4, 0.6, 0.4839)] == [True, False, True]
    assert tracker.threshold == pytest.approx(0.5 - 0.016 + 0.004 - 0.016)


def test_several_workers_move_as_fast_as_one_that_sees_everything() -> None:
    tracker = BudgetTracker(0.2, 0.5, trackers=4)
    assert tracker.step == pytest.approx(4 * STEP)
    tracker.is_one_of(1)
    assert tracker.step == STEP


def blocks(random: Random) -> list[float]:
    """Topics one after the other, each with scores of its own. A threshold fixed at the first lets 8 to 72 % fall."""
    topics = [(6, 3), (4, 4), (5, 3.5), (3.5, 4), (7, 3), (4, 3), (5, 5)]
    return [random.betavariate(*topic) for topic in topics for _ in range(1_500)]


def shares(flags: Sequence[bool]) -> list[float]:
    return [sum(flags[at : at + WINDOW]) / WINDOW for at in range(0, len(flags), WINDOW)]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("seed", range(20))
def test_under_block_drift_every_window_of_500_is_within_5_points(workers: int, seed: int) -> None:
    random = Random(seed)
    scores = blocks(random)
    start = sorted(scores[:WINDOW])[int(SHARE * WINDOW)]
    trackers = [BudgetTracker(SHARE, start, trackers=workers) for _ in range(workers)]
    flags = [random.choice(trackers).observe(score) for score in scores]

    assert all(abs(share - SHARE) <= 0.05 for share in shares(flags)), shares(flags)


def test_a_fixed_threshold_does_not_hold_it() -> None:
    scores = blocks(Random(1))
    start = sorted(scores[:WINDOW])[int(SHARE * WINDOW)]
    assert max(shares([score < start for score in scores])) > 0.5
