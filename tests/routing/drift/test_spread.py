import numpy as np
import pytest

from routing.drift.psi import psi
from routing.drift.spread import LEAST_CHUNKS, Spread, spread_of_chunks, spread_of_rows


def chunks(count: int, size: int, wander: float = 0.0) -> "np.typing.NDArray[np.int64]":
    chance = np.random.default_rng(5)
    rows = []
    for _ in range(count):
        weights = np.exp(wander * chance.normal(size=10))
        rows.append(chance.multinomial(size, weights / weights.sum()))
    return np.array(rows)


@pytest.mark.parametrize("window", [125, 250, 500, 1000])
def test_independent_rows_in_chunks_spread_as_rows_do(window: int) -> None:
    reference = chunks(40, 250)
    by_chunks = spread_of_chunks(reference, window, psi)
    by_rows = spread_of_rows(reference.sum(axis=0), window, psi)
    assert by_chunks is not None
    assert by_chunks.mean == pytest.approx(by_rows.mean, rel=0.25)


def test_chunks_that_are_not_alike_spread_more() -> None:
    calm = spread_of_chunks(chunks(40, 250), 500, psi)
    wild = spread_of_chunks(chunks(40, 250, wander=0.3), 500, psi)
    assert calm is not None
    assert wild is not None
    assert wild.limit > 2 * calm.limit


def test_a_larger_window_spreads_less() -> None:
    assert spread_of_rows(np.full(10, 100), 1000, psi).limit < spread_of_rows(np.full(10, 100), 100, psi).limit


def test_the_same_reference_spreads_the_same_each_time() -> None:
    assert spread_of_chunks(chunks(20, 250), 500, psi) == spread_of_chunks(chunks(20, 250), 500, psi)


def test_few_chunks_and_empty_ones_have_no_spread() -> None:
    assert spread_of_chunks(chunks(LEAST_CHUNKS - 1, 250), 500, psi) is None
    assert spread_of_chunks(np.zeros((30, 5)), 500, psi) is None
    assert spread_of_rows(np.zeros(5), 500, psi).limit == 0


def test_where_nothing_spreads_nothing_is_far_off() -> None:
    assert Spread(mean=0.1, sd=0.0).z(5.0) == 0.0
    assert Spread(mean=0.1, sd=0.1).z(0.4) == pytest.approx(3.0)
