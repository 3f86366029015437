"""Intervals and p-values that hold at all times, against published figures and by their laws."""

from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from routing.experiment.sequence import OneSided, TwoSided, tuning

effects = st.floats(-5, 5).filter(lambda effect: abs(effect) > 1e-6)
variances = st.floats(1e-6, 1)
units = st.floats(10, 1e6)


def test_the_mixture_of_confseq() -> None:
    # A sum of 10 at an intrinsic time of 100.
    assert round(tuning(100, 0.05), 5) == 12.60056
    sequence = TwoSided(alpha=0.05, planned_units=100)
    assert round(float(sequence.log_e(0.1, 0.01, 100)), 7) == -0.6510052
    assert round(100 * float(sequence.half_width(0.01, 100)), 5) == 30.35209


def test_the_one_sided_bound_is_that_of_confseq_or_a_little_above() -> None:
    r = tuning(100, 0.1)
    assert 100 * float(OneSided(0.05, 100).half_width(0.01, 100)) == pytest.approx(27.66071, rel=5e-3)

    def exact(s: float) -> float:
        """The one-sided mixture, of which ours is a lower bound without the normal distribution in it."""
        return 0.5 * log(4 * r / (100 + r)) + s**2 / (2 * (100 + r)) + float(norm.logcdf(s / sqrt(100 + r)))

    assert round(exact(10), 8) == -0.06502391
    root = float(brentq(lambda s: exact(s) - log(20), 10, 50))
    assert round(root, 5) == 27.66071
    assert 100 * float(OneSided(0.05, 100).half_width(0.01, 100)) >= root


def test_the_evidence_is_that_of_the_msprt() -> None:
    # With tau^2 = 0.0009, V = 0.0004 and d = 0.05; r is V / tau^2 where N is 1.
    planned = 0.0004 / 0.0009 * (-2 * log(0.05) + log(1 - 2 * log(0.05)))
    assert round(exp(float(TwoSided(0.05, planned).log_e(0.05, 0.0004, 1))), 6) == 4.82656


def test_the_width_is_the_published_one() -> None:
    alpha, planned, n, variance = 0.05, 5000, 1234, 0.0007
    rho = sqrt((-2 * log(alpha) + log(-2 * log(alpha) + 1)) / planned)
    inner = n * rho**2 + 1
    expected = sqrt(n * variance) * sqrt(2 * inner / (n * rho) ** 2 * log(sqrt(inner) / alpha))
    assert float(TwoSided(alpha, planned).half_width(variance, n)) == pytest.approx(expected)
    rho = sqrt((-2 * log(2 * alpha) + log(-2 * log(2 * alpha) + 1)) / planned)
    inner = n * rho**2 + 1
    expected = sqrt(n * variance) * sqrt(2 * inner / (n * rho) ** 2 * log(1 + sqrt(inner) / (2 * alpha)))
    assert float(OneSided(alpha, planned).half_width(variance, n)) == pytest.approx(expected)


@given(effects, variances, units)
def test_a_p_value_under_alpha_is_an_interval_without_0(effect: float, variance: float, n: float) -> None:
    sequence = TwoSided()
    margin = abs(effect) / float(sequence.half_width(variance, n))
    if abs(margin - 1) > 1e-6:
        assert (float(sequence.p_value(effect, variance, n)) < 0.05) == (margin > 1)


@given(effects, variances, units)
def test_the_same_holds_one_sided_and_a_loss_is_no_evidence(effect: float, variance: float, n: float) -> None:
    sequence = OneSided()
    p = float(sequence.p_value(effect, variance, n))
    margin = effect / float(sequence.half_width(variance, n))
    if effect < 0:
        assert p == 1
    elif abs(margin - 1) > 1e-6:
        assert (p < 0.05) == (margin > 1)


def test_a_bound_on_one_side_lies_nearer() -> None:
    n = np.array([200, 1000, 5000, 50_000])
    assert (OneSided().half_width(1 / n, n) < TwoSided().half_width(1 / n, n)).all()


def test_it_is_about_tightest_where_it_is_planned_to_be() -> None:
    plans = np.array([500, 1000, 5000, 25_000, 50_000])
    widths = [float(TwoSided(0.05, planned).half_width(1 / 5000, 5000)) for planned in plans]
    assert np.argmin(widths) == 2


@pytest.mark.parametrize("sequence", [TwoSided(), OneSided()], ids=["two-sided", "one-sided"])
def test_units_that_do_not_vary_say_nothing(sequence: TwoSided | OneSided) -> None:
    for variance in (0.0, np.inf, np.nan):
        assert float(sequence.half_width(variance, 1000)) == np.inf
        assert float(sequence.p_value(0.3, variance, 1000)) == 1
    assert float(sequence.half_width(0.1, 0)) == np.inf
    assert float(sequence.p_value(0.3, 0.1, 0)) == 1


def test_overwhelming_evidence_does_not_overflow() -> None:
    for sequence in (TwoSided(), OneSided()):
        assert float(sequence.log_e(100, 1e-6, 1e6)) > 1e6
        assert float(sequence.p_value(100, 1e-6, 1e6)) == 0


@pytest.mark.parametrize("alpha", [0, 0.5, 1, float("nan")])
def test_alpha_is_a_small_probability(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must lie between 0 and"):
        OneSided(alpha)


@pytest.mark.parametrize("planned", [0, -1, float("inf")])
def test_units_are_planned(planned: float) -> None:
    with pytest.raises(ValueError, match="planned units must be above 0"):
        TwoSided(planned_units=planned)
