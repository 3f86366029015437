import numpy as np
import pytest

from routing.experiment.paired import paired_mean
from routing.experiment.sequence import TwoSided
from routing.experiment.sums import ArmSums


def test_the_interval_is_that_of_the_sequence_about_the_mean() -> None:
    values = [0.5, -1.5, 2.0, 4.0] * 50
    found = paired_mean(ArmSums.of(values))
    variance = np.var(values, ddof=1) / 200
    width = float(TwoSided(0.05, 5000).half_width(variance, 200))
    assert found.mean == pytest.approx(1.25)
    assert found.lower == pytest.approx(1.25 - width)
    assert found.upper == pytest.approx(1.25 + width)
    assert found.units == 200


def test_requests_of_one_unit_are_no_more_than_one() -> None:
    alone = ArmSums.of([0.0, 1.0] * 100)
    tenfold = ArmSums.of([0.0, 10.0] * 100, [10.0] * 200)
    assert paired_mean(tenfold) == paired_mean(alone)


def test_units_that_make_more_requests_count_for_more() -> None:
    found = paired_mean(ArmSums.of([0.0, 9.0] * 100, [1.0, 9.0] * 100))
    assert found.mean == pytest.approx(0.9)


def test_with_few_units_there_is_a_mean_and_no_interval() -> None:
    found = paired_mean(ArmSums.of([1.0, 2.0] * 49))
    assert (found.mean, found.lower, found.upper, found.units) == (1.5, None, None, 98)


def test_units_that_are_all_alike_say_nothing_of_how_much_they_differ() -> None:
    found = paired_mean(ArmSums.of([1.0] * 500))
    assert (found.mean, found.lower, found.upper) == (1.0, None, None)


def test_without_any_there_is_nothing() -> None:
    found = paired_mean(ArmSums())
    assert (found.mean, found.lower, found.upper, found.units) == (None, None, None, 0)


def test_looking_a_hundred_times_it_covers_the_truth_in_19_of_20_runs() -> None:
    generator = np.random.default_rng(5)
    misses = 0
    for _ in range(200):
        values = generator.exponential(1.0, 3000)
        seen = [paired_mean(ArmSums.of(values[:n])) for n in range(100, 3001, 29)]
        misses += any(not one.lower <= 1.0 <= one.upper for one in seen if one.lower is not None)  # type: ignore[operator]
    assert misses <= 10
