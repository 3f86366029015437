"""Figures on a hold-out."""

import pytest

from routing.confidence.fit.holdout import hold_out

P, CORRECT = [0.9, 0.8, 0.6, 0.3], [1, 0, 1, 0]


def test_the_risk_is_of_all_and_the_selective_risk_of_the_served() -> None:
    found = hold_out(P, CORRECT, threshold=0.6)
    assert (found.n, found.accepted_share, found.risk) == (4, 0.75, 0.25)
    assert found.selective_risk == pytest.approx(1 / 3)
    assert found.auroc == 0.75
    assert found.ece == pytest.approx((0.1 + 0.8 + 0.4 + 0.3) / 4)


def test_without_a_threshold_there_are_no_risks() -> None:
    found = hold_out(P, CORRECT, threshold=None)
    assert (found.accepted_share, found.risk, found.selective_risk) == (None, None, None)


def test_where_nothing_is_served_nothing_served_is_wrong() -> None:
    found = hold_out(P, CORRECT, threshold=1.0)
    assert (found.accepted_share, found.risk, found.selective_risk) == (0, 0, None)


def test_one_class_has_no_auroc_but_a_risk() -> None:
    found = hold_out(P, [0, 0, 0, 0], threshold=0.6)
    assert (found.auroc, found.risk) == (None, 0.75)


def test_answers_count_by_their_weight() -> None:
    found = hold_out(P, CORRECT, threshold=0.6, weights=[1, 7, 1, 1])
    assert (found.accepted_share, found.risk) == (0.9, 0.7)
