"""Which value a unit brings, and where it belongs."""

import random

from routing.experiment.sums import ArmSums
from routing.experiment.units import FIRST_REQUEST_US, Exposure, mature


def seen(unit: str, at_us: int, y: float, arm: str = "a", step: int = 0, d: float = 1.0) -> Exposure:
    return Exposure(unit=unit, arm=arm, step=step, at_us=at_us, y=y, d=d)


def test_a_unit_brings_what_it_gathers_within_its_horizon_and_nothing_later() -> None:
    found = mature([seen("u", 0, 1), seen("u", 9, 2), seen("u", 10, 4), seen("u", 500, 8)], 1000, 10)
    assert found.sums == {(0, "a"): ArmSums.of([3])}


def test_only_units_whose_horizon_is_over_count() -> None:
    found = mature([seen("early", 0, 1), seen("late", 91, 1)], now_us=100, horizon_us=10)
    assert (found.sums[0, "a"].n, found.waiting) == (1, 1)
    assert mature([seen("late", 91, 1)], now_us=101, horizon_us=10).waiting == 0


def test_a_horizon_of_the_first_request_counts_that_alone() -> None:
    found = mature([seen("u", 5, 1), seen("u", 5, 7), seen("u", 6, 7)], 6, FIRST_REQUEST_US)
    assert found.sums == {(0, "a"): ArmSums.of([1])}


def test_a_unit_that_a_step_moves_stays_where_it_entered() -> None:
    rows = [seen("u", 0, 1, arm="a", step=0), seen("u", 3, 1, arm="b", step=1), seen("v", 4, 0, arm="b", step=1)]
    found = mature(rows, 100, 10)
    assert found.sums == {(0, "a"): ArmSums.of([2]), (1, "b"): ArmSums.of([0])}
    assert found.moved == 1


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = [seen(f"u{at % 7}", at * 3, at, arm="ab"[at % 2], step=at // 20) for at in range(60)]
    shuffled = random.Random(1).sample(rows, len(rows))
    assert mature(shuffled, 150, 30) == mature(rows, 150, 30)


def test_a_ratio_keeps_the_sizes_of_its_units() -> None:
    rows = [seen("u", 0, 5, d=2), seen("u", 1, 1, d=1), seen("v", 0, 4, d=4)]
    assert mature(rows, 100, 10, is_ratio=True).sums == {(0, "a"): ArmSums.of([6, 4], [3, 4])}
    assert mature(rows, 100, 10).sums == {(0, "a"): ArmSums.of([6, 4])}
