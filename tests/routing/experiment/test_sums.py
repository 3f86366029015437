"""Sums over the units of an arm: that parts add up, and what is computed from them."""

from dataclasses import asdict
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.sums import ArmSums

rows = st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3), min_size=2, max_size=40)


@given(rows, st.integers(0, 40))
def test_two_parts_add_up_to_the_whole(units: list[tuple[float, float, float]], at: int) -> None:
    def of(part: list[tuple[float, float, float]]) -> ArmSums:
        y, d, x = np.array(part, dtype=float).reshape(-1, 3).T
        return ArmSums.of(y, d, x)

    whole, merged = of(units), of(units[:at]) + of(units[at:])
    assert asdict(merged) == pytest.approx(asdict(whole), abs=1e-4)
    assert of(units) + ArmSums() == whole


def test_a_mean_and_its_variance() -> None:
    arm = ArmSums.of([1, 2, 3, 6])
    assert (arm.n, arm.mean) == (4, 3)
    assert arm.variance() == pytest.approx(np.var([1, 2, 3, 6], ddof=1) / 4)


def test_a_ratio_by_the_delta_method() -> None:
    y, d = np.array([2.0, 3, 1, 7, 4]), np.array([1.0, 2, 1, 3, 2])
    ratio = y.sum() / d.sum()
    expected = (np.var(y, ddof=1) - 2 * ratio * np.cov(y, d)[0, 1] + ratio**2 * np.var(d, ddof=1)) / 5 / d.mean() ** 2
    arm = ArmSums.of(y, d)
    assert arm.mean == pytest.approx(ratio)
    assert arm.variance() == pytest.approx(expected)


def test_a_ratio_to_equal_sizes_is_a_mean_on_another_scale() -> None:
    plain, halved = ArmSums.of([1, 2, 3, 6]), ArmSums.of([1, 2, 3, 6], [2, 2, 2, 2])
    assert halved.mean == plain.mean / 2
    assert halved.variance() == pytest.approx(plain.variance() / 4)


@pytest.mark.parametrize("sizes", [None, [1.0, 2, 1, 3, 2]], ids=["mean", "ratio"])
def test_the_variance_of_an_adjusted_metric_is_that_of_its_units_influence(sizes: list[float] | None) -> None:
    y, x, theta = np.array([2.0, 3, 1, 7, 4]), np.array([1.0, 4, 1, 5, 2]), 0.7
    d = np.ones(5) if sizes is None else np.array(sizes)
    arm = ArmSums.of(y, sizes, x)
    influence = (y - arm.mean * d) / d.mean() - theta * x
    assert arm.variance(theta) == pytest.approx(np.var(influence, ddof=1) / 5)


@pytest.mark.parametrize(
    "arm", [ArmSums(), ArmSums.of([3]), ArmSums.of([1, 2], [0, 0])], ids=["none", "one", "no size"]
)
def test_what_cannot_be_known_yet_is_infinitely_uncertain(arm: ArmSums) -> None:
    assert arm.variance() == inf


def test_rounding_makes_no_variance_negative() -> None:
    assert ArmSums.of([0.1] * 1000).variance() >= 0
    assert ArmSums.of([1e9 + 0.1] * 1000).variance() >= 0


@pytest.mark.parametrize("broken", [{"y": inf}, {"yy": float("nan")}, {"n": -1}])
def test_sums_are_finite(broken: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        ArmSums(**broken)  # type: ignore[arg-type] # by name
