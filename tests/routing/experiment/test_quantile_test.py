"""Whether a quantile of two arms is the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.quantile_test import quantile_p_value

values = st.lists(st.integers(0, 20), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("share", "offset", "p_value"),
    [(0.5, 70, 0.814704), (0.5, 85, 0.0838055), (0.5, 100, 0.0054947), (0.9, 55, 0.0340463)],
)
def test_the_p_values_are_those_of_confseq(share: float, offset: int, p_value: float) -> None:
    found = quantile_p_value(range(1, 1001), range(offset + 1, offset + 1001), share, 100)
    assert found == pytest.approx(p_value, rel=5e-6)


@given(values, values, st.floats(0.05, 0.95))
def test_neither_the_order_nor_which_arm_is_which_makes_a_difference(
    one: list[int], other: list[int], share: float
) -> None:
    found = quantile_p_value(one, other, share, 20)
    assert 0 < found <= 1
    assert quantile_p_value(other[::-1], one[::-1], share, 20) == pytest.approx(found)


@given(values, st.floats(0.05, 0.95))
def test_what_is_alike_does_not_differ(one: list[int], share: float) -> None:
    assert quantile_p_value(one, one, share, 20) == 1


def test_ties_say_no_more_than_they_do() -> None:
    # The median of both may be 1: half of neither lies below it, and half of both up to it.
    assert quantile_p_value([0] * 400 + [1] * 600, [1] * 600 + [2] * 400, 0.5, 100) == 1
    assert quantile_p_value([0] * 600 + [1] * 400, [1] * 400 + [2] * 600, 0.5, 100) < 1e-6


def test_equal_quantiles_are_seldom_told_apart_at_any_of_fifty_looks() -> None:
    chance = np.random.default_rng(12)
    seen = 0
    for _ in range(200):
        one, other = chance.lognormal(6, 0.4, size=(2, 2000)).tolist()
        seen += any(quantile_p_value(one[:n], other[:n], 0.95, 500) < 0.05 for n in range(40, 2001, 40))
    assert seen <= 10


def test_a_quantile_that_moved_is_seen() -> None:
    chance = np.random.default_rng(12)
    one, other = chance.lognormal(6, 0.4, size=2000), chance.lognormal(6.3, 0.4, size=2000)
    assert quantile_p_value(one.tolist(), other.tolist(), 0.95, 500) < 0.001


@pytest.mark.parametrize(("one", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.0)], ids=["nothing", "0", "1"])
def test_without_values_or_a_share_there_is_no_question(one: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="values in both arms"):
        quantile_p_value(one, [1.0], share, 100)
