"""The curve of cost and quality, against values worked out by hand."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.fit.curve import MAX_POINTS, draw_curve
from routing.confidence.fit.logistic import OneClassOnly
from routing.confidence.fit.quality import auroc

# Scores in order; the small model is right on two of four, the larger one on three.
SCORES, SMALL, LARGE = [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], [1, 1, 1, 0]


def test_the_figures_of_four_answers_by_hand() -> None:
    # Right after deferring k = 0..4: 2, 3, 3, 4, 3. Area: (1 + 3 + 3 + 4 + 1.5) / 4 = 3.125 of 4.
    found = draw_curve(SCORES, SMALL, LARGE)
    assert (found.n, found.weak, found.strong) == (4, 0.5, 0.75)
    assert found.apgr == pytest.approx((3.125 / 4 - 0.5) / 0.25)
    assert (found.cpt50, found.cpt80) == (0.25, 0.25)
    assert found.auroc == 0.75
    # With a larger model that is always right: 2, 3, 3, 4, 4; best: 2, 3, 4, 4, 4; chance: 2, 2.5, 3, 3.5, 4.
    assert found.prr == pytest.approx((13 - 12) / (14 - 12))
    assert [point.share for point in found.points] == [0, 0.25, 0.5, 0.75, 1]
    assert [point.accuracy for point in found.points] == [0.5, 0.75, 0.75, 1.0, 0.75]
    assert found.prices is None
    assert found.points[0].cost is None


def test_a_cascade_always_pays_the_small_model() -> None:
    found = draw_curve(SCORES, SMALL, LARGE, cost=[1, 1, 1, 1], fallback_cost=[10, 20, 10, 0])
    assert [point.cost for point in found.points] == [1, 3.5, 8.5, 11, 11]
    assert found.prices is not None
    assert (found.prices.small, found.prices.large) == (1, 10)
    assert (found.prices.at_cpt50, found.prices.at_cpt80) == (3.5, 3.5)
    assert found.prices.break_even_share == pytest.approx(1 - 1 / 10)


def test_a_larger_model_that_is_free_is_never_worth_a_cascade() -> None:
    prices = draw_curve(SCORES, SMALL, LARGE, cost=[1] * 4, fallback_cost=[0] * 4).prices
    assert prices is not None
    assert prices.break_even_share == 0


@pytest.mark.parametrize("large", [SMALL, [0, 0, 0, 1]], ids=["equal", "worse"])
def test_without_a_gap_there_is_nothing_to_recover_and_nothing_is_divided_by_zero(large: list[int]) -> None:
    found = draw_curve(SCORES, SMALL, large)
    assert not found.has_gap
    assert (found.apgr, found.cpt50, found.cpt80) == (None, None, None)
    assert (found.auroc, found.prr) == (0.75, 0.5)


def test_the_least_share_counts_even_if_it_is_lost_again() -> None:
    # Right after deferring k = 0..4: 1, 2, 1, 1, 2: half and all of the gap are recovered at k = 1.
    found = draw_curve(SCORES, [0, 1, 0, 0], [1, 0, 0, 1])
    assert (found.cpt50, found.cpt80) == (0.25, 0.25)


def test_the_best_order_recovers_more_than_the_whole_gap() -> None:
    chance = np.random.default_rng(0)
    small, large = chance.integers(2, size=500), chance.random(500) < 0.7
    found = draw_curve(small - large.astype(int), small, large)
    assert found.apgr is not None
    assert found.apgr > 1


def test_by_chance_half_of_the_gap_is_recovered_on_average() -> None:
    chance = np.random.default_rng(0)
    small, large = chance.random(400) < 0.6, chance.random(400) < 0.9
    found = [draw_curve(chance.random(400), small, large) for _ in range(200)]
    assert np.mean([curve.apgr for curve in found]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([curve.prr for curve in found]) == pytest.approx(0, abs=0.03)


def test_equal_scores_go_in_the_order_of_the_rows() -> None:
    found = draw_curve([0.5, 0.5, 0.5], [1, 0, 1], [1, 1, 1])
    assert [point.accuracy for point in found.points] == pytest.approx([2 / 3, 2 / 3, 1, 1])


def test_many_answers_give_a_bounded_number_of_points_with_both_ends() -> None:
    chance = np.random.default_rng(0)
    found = draw_curve(chance.random(5000), chance.integers(2, size=5000), np.ones(5000))
    assert len(found.points) == MAX_POINTS
    assert (found.points[0].share, found.points[-1].share) == (0, 1)
    assert (found.points[0].accuracy, found.points[-1].accuracy) == (found.weak, found.strong)


def test_a_small_model_that_is_always_right_has_no_curve() -> None:
    with pytest.raises(OneClassOnly):
        draw_curve(SCORES, [1, 1, 1, 1], LARGE)


@given(st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda right: len(set(right)) == 2), st.randoms())
def test_the_rejection_ratio_is_auroc_on_another_scale(right: list[bool], order: Random) -> None:
    scores = list(range(len(right)))
    order.shuffle(scores)
    found = draw_curve(scores, right, [True] * len(right))
    assert found.prr == pytest.approx(2 * auroc(scores, right) - 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), min_size=2, max_size=30))
def test_the_least_share_is_the_least_over_all_thresholds(rows: list[tuple[int, bool, bool]]) -> None:
    small = [right for _, right, _ in rows]
    if len(set(small)) < 2:
        return
    found = draw_curve([score for score, _, _ in rows], small, [large for _, _, large in rows])
    ordered = sorted(rows, key=lambda row: row[0])
    right = [sum(row[2] for row in ordered[:k]) + sum(row[1] for row in ordered[k:]) for k in range(len(rows) + 1)]
    if right[-1] <= right[0]:
        assert found.cpt80 is None
        return
    wanted = next(k for k, count in enumerate(right) if 10 * (count - right[0]) >= 8 * (right[-1] - right[0]))
    assert found.cpt80 == wanted / len(rows)
