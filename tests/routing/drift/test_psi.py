import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from routing.drift.psi import distance, js_distance, psi

REFERENCE, CURRENT = (100, 200, 400, 200, 100), (30, 50, 90, 60, 70)
COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=12)


def test_reference_values() -> None:
    found = distance(REFERENCE, CURRENT)
    assert f"{found.psi:.7f}" == "0.1470306"
    assert f"{found.statistic:.5f}" == "33.93014"
    assert f"{found.pvalue:.4e}" == "7.7018e-07"
    assert float(psi(REFERENCE, CURRENT, smoothing=0.0)) == pytest.approx(0.1478187, abs=1e-7)
    assert f"{found.js:.7f}" == "0.1613985"


def test_an_empty_bin_is_a_finite_distance() -> None:
    assert 1 < distance((100, 0), (0, 100)).psi < 20


@given(COUNTS, st.data())
def test_nothing_is_ever_not_a_number(reference: list[int], data: st.DataObject) -> None:
    current = data.draw(st.lists(st.integers(0, 1000), min_size=len(reference), max_size=len(reference)))
    found = distance(reference, current)
    assert np.isfinite([found.psi, found.js, found.statistic, found.pvalue]).all()
    assert 0 <= found.js <= 1 + 1e-9
    assert 0 <= found.pvalue <= 1
    assert found.psi >= 0


@pytest.mark.parametrize(("reference", "current"), [((5,), (7,)), ((0, 0), (1, 1)), ((1, 1), (0, 0)), ((), ())])
def test_what_cannot_be_compared_is_no_distance(reference: tuple[int, ...], current: tuple[int, ...]) -> None:
    assert distance(reference, current).pvalue == 1


def test_many_windows_are_compared_at_once() -> None:
    windows = np.array([CURRENT, REFERENCE])
    assert psi(REFERENCE, windows) == pytest.approx([0.1470306, 0.0], abs=1e-7)
    assert js_distance(REFERENCE, windows)[0] == pytest.approx(0.1613985)


def test_p_values_are_evenly_spread_where_nothing_changes() -> None:
    chance = np.random.default_rng(7)
    shares = np.full(10, 0.1)
    found = [distance(chance.multinomial(5000, shares), chance.multinomial(500, shares)).pvalue for _ in range(2000)]
    assert kstest(found, "uniform").pvalue > 0.001


@pytest.mark.parametrize(("n", "mean"), [(100, 0.086), (500, 0.019), (5000, 0.0035)])
def test_without_drift_it_is_as_large_as_the_sample_is_small(n: int, mean: float) -> None:
    chance = np.random.default_rng(3)
    shares = np.full(10, 0.1)
    found = [psi(chance.multinomial(5000, shares), chance.multinomial(n, shares)) for _ in range(2000)]
    expected = 9 * (1 / n + 1 / 5000)
    assert float(np.mean(found)) == pytest.approx(expected, rel=0.1)
    assert expected == pytest.approx(mean, rel=0.2)
