"""AUROC, calibration error and Brier score, against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.fit.logistic import OneClassOnly
from routing.confidence.fit.quality import Estimate, auroc, brier, ece, measure, paired_bootstrap

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans(), st.integers(1, 4)),
    min_size=2,
    max_size=30,
).filter(lambda rows: len({right for _, right, _ in rows}) == 2)


def drawn(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated scores and outcomes."""
    chance = np.random.default_rng(seed)
    p = chance.beta(2, 1, size=n)
    return p, (chance.random(n) < p).astype(float)


@given(ROWS)
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[float, bool, int]]) -> None:
    won = pairs = 0.0
    for high, right, often in rows:
        for low, also_right, as_often in rows:
            if right and not also_right:
                pairs += often * as_often
                won += often * as_often * (1.0 if high > low else 0.5 if high == low else 0.0)
    scores, correct, weights = zip(*rows, strict=True)
    assert auroc(scores, correct, weights) == pytest.approx(won / pairs)


@given(ROWS)
def test_a_weight_is_so_many_equal_rows(rows: list[tuple[float, bool, int]]) -> None:
    scores, correct, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    often = np.repeat(np.arange(len(rows)), weights.astype(int))
    for figure in (auroc, ece, brier):
        assert figure(scores, correct, weights) == pytest.approx(figure(scores[often], correct[often]))


@pytest.mark.parametrize(
    ("scores", "value"),
    [([0.1, 0.2, 0.8, 0.9], 1.0), ([0.9, 0.8, 0.2, 0.1], 0.0), ([0.5] * 4, 0.5), ([0.1, 0.4, 0.35, 0.8], 0.75)],
    ids=["in order", "reversed", "all alike", "one pair of four is wrong"],
)
def test_auroc_of_known_orders(scores: list[float], value: float) -> None:
    assert auroc(scores, [0, 0, 1, 1]) == value


def test_the_calibration_error_by_hand() -> None:
    # Bins of 1/15: 0.1 is in [1/15, 2/15), 0.5 in [7/15, 8/15), 1.0 in the last one, which is closed.
    p, correct = [0.1, 0.1, 0.5, 0.5, 1.0], [0, 1, 1, 1, 1]
    assert ece(p, correct) == pytest.approx((2 * abs(0.5 - 0.1) + 2 * abs(1 - 0.5) + 0) / 5)


def test_bins_of_equal_mass_keep_equal_scores_together() -> None:
    p, correct = [0.5] * 50, [1, 0] * 25
    assert ece(p, correct, equal_mass=True) == pytest.approx(0)
    assert ece(np.linspace(0, 1, 30), np.zeros(30), equal_mass=True) == pytest.approx(0.5)


def test_an_overconfident_score_has_an_error_that_a_calibrated_one_has_not() -> None:
    p, correct = drawn(20_000)
    assert ece(p, correct) < 0.015
    assert ece(p**0.2, correct) > 0.15


def test_one_class_has_no_auroc() -> None:
    for figure in (auroc, measure):
        with pytest.raises(OneClassOnly, match="both right and wrong ones are needed"):
            figure([0.1, 0.2], [1, 1])


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        auroc([0.1, float("nan")], [0, 1])


def test_everything_at_once_agrees_with_the_figures_one_by_one() -> None:
    p, correct = drawn()
    found = measure(p, correct, draws=50)
    assert found.n == 400
    assert found.auroc.value == auroc(p, correct)
    assert found.ece.value == ece(p, correct)
    assert found.ece_equal_mass == ece(p, correct, equal_mass=True)
    assert found.brier.value == pytest.approx(brier(p, correct))
    assert found.prr == pytest.approx(2 * found.auroc.value - 1)


def test_intervals_are_the_same_for_the_same_seed_and_hold_the_estimate() -> None:
    p, correct = drawn()
    found = measure(p, correct, seed=3)
    assert found == measure(p, correct, seed=3)
    assert found != measure(p, correct, seed=4)
    for estimate in (found.auroc, found.ece, found.brier):
        assert estimate.low < estimate.value < estimate.high


def test_the_interval_of_auroc_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = auroc(*drawn(200_000, seed=99))
    found = [measure(*drawn(200, seed=seed), draws=200, seed=seed).auroc for seed in range(200)]
    covered = np.mean([estimate.low <= truth <= estimate.high for estimate in found])
    assert 0.89 <= covered <= 0.99


def test_draws_that_hold_one_class_are_left_out() -> None:
    found = measure([0.2, 0.8, 0.9], [0, 1, 1], draws=200)
    assert found.auroc == Estimate(1.0, 1.0, 1.0)


def test_a_paired_difference_is_surer_than_two_apart() -> None:
    p, correct = drawn(500)
    noisy = p + np.random.default_rng(5).normal(scale=0.1, size=500)

    def difference(one: np.ndarray, other: np.ndarray, right: np.ndarray) -> float:
        return auroc(one, right) - auroc(other, right)

    paired = paired_bootstrap(difference, (p, noisy, correct), draws=200)
    apart = [paired_bootstrap(auroc, (score, correct), draws=200) for score in (p, noisy)]
    assert paired.value == pytest.approx(difference(p, noisy, correct))
    assert paired.low < paired.value < paired.high
    assert paired.high - paired.low < sum(estimate.high - estimate.low for estimate in apart) / 2


def test_a_statistic_that_is_nowhere_defined_has_no_interval() -> None:
    found = paired_bootstrap(lambda _: float("nan"), (np.zeros(3),), draws=5)
    assert np.isnan(found).all()
