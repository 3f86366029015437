import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.columns import (
    ColumnFinding,
    compare_categories,
    compare_missing,
    compare_numbers,
    with_alarms,
)

NUMBERS = st.lists(st.floats(-1e6, 1e6), max_size=150).map(lambda values: np.array(values, dtype=np.float64))
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=150)


def is_finite(found: ColumnFinding) -> bool:
    far = found.distance
    return bool(np.isfinite([far.psi, far.js, far.statistic, far.pvalue, found.natural_psi]).all())


@given(NUMBERS, NUMBERS)
def test_numbers_of_any_kind_are_compared_without_a_nan(reference: np.ndarray, current: np.ndarray) -> None:
    assert is_finite(compare_numbers("x", reference, current))


@given(WORDS, WORDS)
def test_categories_of_any_kind_are_compared_without_a_nan(reference: list[str], current: list[str]) -> None:
    assert is_finite(compare_categories("x", reference, current))


def test_what_is_missing_is_compared_too() -> None:
    [moved] = with_alarms([compare_missing("x", (0, 1000), (100, 500))], alpha=0.001)
    assert moved.is_alarm


def test_an_alarm_takes_a_large_distance_as_well_as_a_small_p_value() -> None:
    chance = np.random.default_rng(1)
    found = compare_numbers("x", chance.normal(size=100_000), chance.normal(0.1, size=100_000))
    assert found.distance.pvalue < 1e-9
    assert not with_alarms([found], alpha=0.001)[0].is_alarm


def test_more_features_ask_for_more_evidence() -> None:
    chance = np.random.default_rng(4)
    calm = [compare_numbers(f"y{at}", chance.normal(size=2000), chance.normal(size=200)) for at in range(50)]
    found = compare_numbers("x", chance.normal(size=2000), chance.normal(0.38, size=200))
    alpha = 2 * found.distance.pvalue
    assert with_alarms([found], alpha)[0].is_alarm
    assert not with_alarms([found, *calm], alpha)[0].is_alarm


@pytest.mark.parametrize("rows", [100, 500])
def test_chance_alone_raises_no_more_alarms_than_alpha(rows: int) -> None:
    chance = np.random.default_rng(5)
    reference = chance.normal(size=5000)
    alarms = [
        with_alarms([compare_numbers("x", reference, chance.normal(size=rows))], alpha=0.02)[0].is_alarm
        for _ in range(400)
    ]
    assert sum(alarms) <= 16
