"""The fitted score: its optimum, what is missing or constant, and rows that a line separates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routing.confidence.fit.logistic import LogisticFit, OneClassOnly, fit_logistic


def rows(n: int = 300, k: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n, k)) * [1, 100, 0.01][:k] + [0, 50, -3][:k]
    log_odds = (x[:, 0] - (x[:, 1] - 50) / 100) + 0.5
    return x, (chance.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float)


def gradient(fit: LogisticFit, x: np.ndarray, y: np.ndarray, weights: np.ndarray, l2: float) -> np.ndarray:
    """Of the penalised loss at the fit, written down again from its definition."""
    z = (x - np.array(fit.means)) / np.array(fit.sds)
    p = 1 / (1 + np.exp(-(z @ np.array(fit.weights) + fit.intercept)))
    residual = weights / weights.mean() * (p - y)
    return np.append(z.T @ residual + l2 * np.array(fit.weights), residual.sum())


@pytest.mark.parametrize("l2", [0.01, 1.0, 100.0])
def test_the_fit_is_the_optimum(l2: float) -> None:
    x, y = rows()
    assert np.abs(gradient(fit_logistic(x, y, l2=l2), x, y, np.ones(300), l2)).max() < 1e-6


def test_weights_count_as_so_many_rows_would() -> None:
    x, y = rows()
    weights = np.random.default_rng(1).uniform(0.1, 30, size=300)
    fit = fit_logistic(x, y, weights)
    assert np.abs(gradient(fit, x, y, weights, 1.0)).max() < 1e-6
    assert fit_logistic(x, y, weights * 50).weights == pytest.approx(fit.weights)
    assert fit.weights != pytest.approx(fit_logistic(x, y).weights)


def test_the_mean_probability_is_the_share_that_is_right() -> None:
    x, y = rows()
    assert fit_logistic(x, y).predict(x).mean() == pytest.approx(y.mean(), abs=1e-9)


def test_the_weights_come_near_the_ones_that_made_the_rows() -> None:
    x, y = rows(20_000)
    fit = fit_logistic(x, y)
    per_sd = np.array(fit.weights) / fit.sds * [1, 100, 0.01]
    assert per_sd == pytest.approx([1, -1, 0], abs=0.08)


def test_the_fit_is_the_same_for_features_as_they_are() -> None:
    x, y = rows()
    fit = fit_logistic(np.column_stack([x, np.full(300, 9.0)]), y)
    assert fit.coefficients[3] == 0
    log_odds = fit.raw_intercept + x @ np.array(fit.coefficients[:3])
    assert 1 / (1 + np.exp(-log_odds)) == pytest.approx(fit.predict(np.column_stack([x, np.full(300, 9.0)])), abs=1e-11)


def test_units_do_not_matter() -> None:
    x, y = rows()
    there, back = fit_logistic(x, y), fit_logistic(x * [1e200, 1e-200, -7] + [0, 0, 4], y)
    assert back.predict(x * [1e200, 1e-200, -7] + [0, 0, 4]) == pytest.approx(there.predict(x), abs=1e-9)


@pytest.mark.parametrize("l2", [1e-6, 1.0])
def test_rows_that_a_line_separates_give_finite_weights_and_no_overflow(l2: float) -> None:
    x = np.array([[-1e6], [-2.0], [2.0], [1e6]])
    fit = fit_logistic(x, [0, 0, 1, 1], l2=l2)
    assert all(math.isfinite(number) for number in (*fit.weights, fit.intercept))
    p = fit.predict([[-1e300], [1e300]])
    assert p.tolist() == [0.0, 1.0]


def test_a_constant_or_empty_column_weighs_nothing_and_is_named() -> None:
    x, y = rows()
    wide = np.column_stack([np.full(300, 0.1), x, np.full(300, np.nan)])
    fit, narrow = fit_logistic(wide, y), fit_logistic(x, y)
    assert fit.dropped == (0, 4)
    assert (fit.weights[0], fit.weights[4]) == (0.0, 0.0)
    assert fit.weights[1:4] == pytest.approx(narrow.weights)
    assert np.isfinite(fit.predict([[7.0, 0, 50, -3, 5.0]])).all()


def test_only_constant_columns_leave_the_share_that_is_right() -> None:
    fit = fit_logistic(np.ones((8, 2)), [0, 1, 1, 1, 0, 1, 1, 1])
    assert fit.predict([[1.0, 1.0]]) == pytest.approx([0.75])


def test_a_missing_value_counts_as_the_mean_of_those_present() -> None:
    x, y = rows()
    x[:50, 0] = np.nan
    fit = fit_logistic(x, y)
    assert fit.means[0] == pytest.approx(np.nanmean(x[:, 0]))
    missing, mean = [[np.nan, 10.0, -3.0]], [[fit.means[0], 10.0, -3.0]]
    assert fit.predict(missing) == pytest.approx(fit.predict(mean))


@pytest.mark.parametrize(
    ("y", "said"), [([1, 1], "all 2 labelled answers are right"), ([0, 0], "are wrong"), ([], "no")]
)
def test_one_class_is_refused_with_a_sentence(y: list[int], said: str) -> None:
    with pytest.raises(OneClassOnly, match=said):
        fit_logistic(np.zeros((len(y), 1)), y)


def test_shapes_that_do_not_fit_and_infinite_features_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        fit_logistic(np.zeros((3, 1)), [0, 1])
    with pytest.raises(ValueError, match="infinite"):
        fit_logistic([[1.0], [np.inf]], [0, 1])


@given(x=arrays(np.float64, (12, 2), elements=st.floats(-1e6, 1e6) | st.just(math.nan)), y=st.integers(1, 2**12 - 2))
def test_whatever_the_rows_probabilities_are_probabilities(x: np.ndarray, y: int) -> None:
    outcome = [y >> bit & 1 for bit in range(12)]
    p = fit_logistic(x, outcome).predict(x)
    assert ((p >= 0) & (p <= 1)).all()
