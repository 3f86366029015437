"""Thresholds: their reference values, their laws, and what they say when a target cannot be met."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.fit.thresholds import (
    Decision,
    budget_threshold,
    expected_risk_threshold,
    fixed_threshold,
    least_labels,
    lower_bound,
    risk_threshold,
    selective_risk_threshold,
    upper_bound,
    utility_threshold,
)

FEW_VALUES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
SCORED = st.lists(st.tuples(st.sampled_from(FEW_VALUES) | st.floats(0, 1), st.booleans()), min_size=1, max_size=120)
ALPHAS = st.floats(0.01, 0.6)


def served(decision: Decision, scores: list[float]) -> list[bool]:
    assert decision.threshold is not None
    return [score >= decision.threshold for score in scores]


def ladder(n: int, wrong_from: int) -> tuple[list[float], list[bool]]:
    """Scores from 1 down; the first `wrong_from` are right and the others wrong."""
    return [1 - at / n for at in range(n)], [at >= wrong_from for at in range(n)]


def test_the_upper_bound_has_its_reference_value() -> None:
    assert round(float(upper_bound(3, 200, 0.1)), 7) == 0.0330975


@pytest.mark.parametrize(("events", "n", "delta"), [(0, 22, 0.1), (3, 200, 0.1), (7, 50, 0.05)])
def test_at_its_upper_bound_a_rate_shows_so_few_events_with_probability_delta(
    events: int, n: int, delta: float
) -> None:
    rate = float(upper_bound(events, n, delta))
    assert sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(events + 1)) == pytest.approx(delta)


def test_bounds_at_the_ends() -> None:
    assert upper_bound([5, 0], 5, 0.1).tolist() == pytest.approx([1.0, 1 - 0.1 ** (1 / 5)])
    assert lower_bound([0, 5], 5, 0.1).tolist() == pytest.approx([0.0, 0.1 ** (1 / 5)])


@pytest.mark.parametrize(("alpha", "delta", "labels"), [(0.1, 0.1, 22), (0.05, 0.1, 45), (0.5, 0.5, 1), (0.2, 0.1, 11)])
def test_the_least_labels_are_the_fewest_whose_bound_without_errors_will_do(
    alpha: float, delta: float, labels: int
) -> None:
    assert least_labels(alpha, delta) == labels
    assert upper_bound(0, labels, delta) <= alpha + 1e-12
    assert labels == 1 or upper_bound(0, labels - 1, delta) > alpha


def test_rcps_serves_the_longest_prefix_whose_bound_is_within_alpha() -> None:
    # With 200 labels and alpha 0.0331 three errors are allowed and a fourth is not.
    scores, wrong = ladder(200, 100)
    found = risk_threshold(scores, wrong, alpha=0.0331, delta=0.1)
    assert (found.feasible, found.accepted_share) == (True, 103 / 200)
    assert sum(served(found, scores)) == 103


def test_conformal_risk_control_counts_one_error_more_than_there_are() -> None:
    # (errors + 1) / 201 <= 0.05 allows nine.
    scores, wrong = ladder(200, 100)
    assert expected_risk_threshold(scores, wrong, alpha=0.05).accepted_share == 109 / 200
    assert not expected_risk_threshold(scores[:10], wrong[:10], alpha=0.05).feasible


def test_learn_then_test_goes_on_to_the_first_set_that_fails() -> None:
    scores, wrong = ladder(200, 100)
    found = selective_risk_threshold(scores, wrong, alpha=0.1, delta=0.1)
    # 100 right answers and k wrong ones pass while P(Binomial(100 + k, 0.1) <= k) <= 0.1.
    size = 100
    while sum(comb(size + 1, e) * 0.1**e * 0.9 ** (size + 1 - e) for e in range(size + 2 - 100)) <= 0.1:
        size += 1
    assert found.accepted_share == size / 200
    assert 100 < size < 112


def test_learn_then_test_starts_late_enough_to_have_power() -> None:
    # Of the surest 30 two are wrong, which alone would not pass; then 170 are right.
    scores, _ = ladder(200, 0)
    wrong = [at < 2 for at in range(200)]
    late = selective_risk_threshold(scores, wrong, alpha=0.1, delta=0.1, start_share=0.3)
    assert late.accepted_share == 1
    early = selective_risk_threshold(scores, wrong, alpha=0.1, delta=0.1, start_share=0.01)
    assert not early.feasible
    assert "of the surest 11 %, 2 of 22 are wrong" in early.reason


@pytest.mark.parametrize("find", [risk_threshold, selective_risk_threshold])
def test_too_few_labels_are_said_to_be_too_few(find) -> None:  # type: ignore[no-untyped-def]
    scores, wrong = ladder(21, 21)
    found = find(scores, wrong, 0.1, 0.1)
    assert (found.feasible, found.threshold, found.accepted_share) == (False, None, None)
    assert "needs 22 labels for the threshold; there are 21" in found.reason
    assert find(*ladder(22, 22), 0.1, 0.1).accepted_share == 1


def test_what_must_fall_back_under_any_score_is_told() -> None:
    scores, wrong = ladder(400, 0)
    wrong = [at % 2 == 0 for at in range(400)]
    joint = risk_threshold(scores, wrong, 0.1, 0.1)
    assert joint.least_fallback_share == pytest.approx(0.5 - 0.1)
    among_served = selective_risk_threshold(scores, wrong, 0.1, 0.1)
    assert among_served.least_fallback_share == pytest.approx((0.5 - 0.1) / (1 - 0.1))
    assert not among_served.feasible
    assert "under any score whatever at least 44.4 % would have to fall back" in among_served.reason


def test_with_all_served_no_score_is_too_low() -> None:
    scores, wrong = ladder(100, 100)
    assert risk_threshold(scores, wrong, 0.1, 0.1).threshold == 0.0


def test_a_threshold_lies_between_scores_so_that_rounding_moves_nothing() -> None:
    scores, wrong = [0.7] * 100 + [0.3] * 100, [False] * 100 + [True] * 100
    assert risk_threshold(scores, wrong, 0.1, 0.1).threshold == pytest.approx(0.5)
    neighbours = [np.nextafter(0.5, 1)] * 100 + [0.5] * 100
    assert risk_threshold(neighbours, wrong, 0.1, 0.1).threshold == np.nextafter(0.5, 1)


@given(SCORED, ALPHAS, st.floats(0.01, 0.5))
def test_a_threshold_serves_what_it_says_and_cuts_no_tie(
    rows: list[tuple[float, bool]], alpha: float, delta: float
) -> None:
    scores, wrong = [score for score, _ in rows], [bad for _, bad in rows]
    for found in (
        risk_threshold(scores, wrong, alpha, delta),
        selective_risk_threshold(scores, wrong, alpha, delta),
        expected_risk_threshold(scores, wrong, alpha),
        budget_threshold(scores, alpha),
    ):
        if found.feasible:
            assert sum(served(found, scores)) / len(scores) == pytest.approx(found.accepted_share)


@given(SCORED, ALPHAS)
def test_rcps_keeps_its_bound_and_a_set_one_step_larger_would_not(rows: list[tuple[float, bool]], alpha: float) -> None:
    scores, wrong = [score for score, _ in rows], [bad for _, bad in rows]
    found = risk_threshold(scores, wrong, alpha, 0.1)
    accepts = served(found, scores) if found.feasible else [False] * len(scores)
    errors = sum(bad for bad, taken in zip(wrong, accepts, strict=True) if taken)
    if found.feasible:
        assert upper_bound(errors, len(scores), 0.1) <= alpha
    if not all(accepts) and len(scores) >= least_labels(alpha, 0.1):
        next_score = max(score for score, taken in zip(scores, accepts, strict=True) if not taken)
        more = sum(bad for score, bad in rows if score >= next_score)
        assert upper_bound(more, len(scores), 0.1) > alpha


@given(SCORED, ALPHAS, ALPHAS)
def test_a_laxer_target_serves_no_less(rows: list[tuple[float, bool]], one: float, other: float) -> None:
    scores, wrong = [score for score, _ in rows], [bad for _, bad in rows]
    strict, lax = (risk_threshold(scores, wrong, alpha, 0.1).accepted_share or 0 for alpha in sorted((one, other)))
    assert strict <= lax
    sure, unsure = (risk_threshold(scores, wrong, one, delta).accepted_share or 0 for delta in (0.05, 0.3))
    assert sure <= unsure
    assert (risk_threshold(scores, wrong, one, 0.1).accepted_share or 0) <= (
        expected_risk_threshold(scores, wrong, one).accepted_share or 0
    )


@given(SCORED, st.floats(0, 1))
def test_a_budget_is_not_exceeded_and_not_wasted(rows: list[tuple[float, bool]], share: float) -> None:
    scores = [score for score, _ in rows]
    found = budget_threshold(scores, share)
    kept = served(found, scores)
    assert kept.count(False) <= share * len(scores) + 1e-6
    if any(kept):
        lowest = min(score for score, keep in zip(scores, kept, strict=True) if keep)
        assert sum(score <= lowest for score in scores) > share * len(scores)


@pytest.mark.parametrize(("share", "accepted"), [(0.0, 1.0), (0.2, 0.8), (0.3, 0.7), (1.0, 0.0)])
def test_without_ties_a_budget_is_met_exactly(share: float, accepted: float) -> None:
    assert budget_threshold(np.arange(10) / 10, share).accepted_share == pytest.approx(accepted)


def test_a_budget_counts_by_weight() -> None:
    found = budget_threshold([0.1, 0.2, 0.3, 0.4], 0.5, weights=[5, 1, 2, 2])
    assert found.accepted_share == 0.5
    assert found.threshold == pytest.approx(0.15)


def test_utility_falls_back_below_accuracy_less_the_price() -> None:
    found = utility_threshold([0.2, 0.7, 0.9], 0.9, 0.15)
    assert found.threshold == pytest.approx(0.75)
    assert found.accepted_share == pytest.approx(1 / 3)


def test_a_fallback_that_never_pays_is_never_taken() -> None:
    found = utility_threshold([0.2, 0.7], 0.9, 1.5)
    assert (found.threshold, found.accepted_share) == (0.0, 1.0)
    assert "never worth its price" in found.reason


def test_a_threshold_of_somebody_s_own_is_counted_by_weight() -> None:
    assert fixed_threshold([0.2, 0.5, 0.7], 0.5).accepted_share == pytest.approx(2 / 3)
    assert fixed_threshold([0.2, 0.5], 0.5, [3, 1]).accepted_share == 0.25


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        risk_threshold([float("nan")], [0], 0.1, 0.1)
