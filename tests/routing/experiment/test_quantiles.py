"""Quantiles: ranks, standard errors, and bands that hold at all times."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.quantiles import Ranked, quantile, quantile_band, stitched_bound, strict_difference

values = st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=50)


@given(values, values)
def test_two_parts_rank_as_the_whole(one: list[float], other: list[float]) -> None:
    assert Ranked.of(one) + Ranked.of(other) == Ranked.of(one + other)


@given(values, st.data())
def test_the_value_of_a_rank_lies_in_its_bucket_which_is_narrow(given_values: list[float], data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, len(given_values)))
    low, high = Ranked.of(given_values).bucket(rank)
    assert low * (1 - 1e-9) <= sorted(given_values)[rank - 1] <= high * (1 + 1e-9)
    assert high / low < 1.021


def test_what_is_not_above_0_ranks_first() -> None:
    ranked = Ranked.of([0.0, 2.0, 0.0])
    assert [ranked.bucket(rank) for rank in (-4, 1, 2)] == [(0, 0)] * 3
    assert ranked.bucket(3) == ranked.bucket(99) != (0, 0)


def test_there_are_no_ranks_without_values() -> None:
    with pytest.raises(ValueError, match="no values, no ranks"):
        Ranked.of([]).bucket(1)


def test_a_quantile_and_its_standard_error() -> None:
    chance = np.random.default_rng(4)
    found = [quantile(Ranked.of(chance.exponential(1000, size=2000)), 0.95) for _ in range(200)]
    means = np.array([one.mean for one in found if one is not None])
    ses = np.array([one.variance**0.5 for one in found if one is not None])
    assert len(means) == 200
    truth = -1000 * np.log(0.05)
    assert means.mean() == pytest.approx(truth, rel=0.01)
    # sqrt(q (1 - q) / n) over the density, 0.05 / 1000
    assert ses.mean() == pytest.approx(np.sqrt(0.95 * 0.05 / 2000) / 0.00005, rel=0.15)
    assert np.std(means) == pytest.approx(ses.mean(), rel=0.2)


def test_too_few_values_have_no_quantile() -> None:
    assert quantile(Ranked.of([1.0] * 72), 0.95) is None
    assert quantile(Ranked.of([1.0] * 74), 0.95) is not None
    assert quantile(Ranked.of([1.0] * 74), 0.95, inflation=2) is None


def test_values_that_are_alike_are_as_uncertain_as_their_bucket() -> None:
    found = quantile(Ranked.of([100.0] * 500), 0.95)
    assert found is not None
    assert found.variance > 0


def test_values_of_the_same_units_count_for_less() -> None:
    ranked = Ranked.of(np.random.default_rng(4).exponential(1000, size=4000))
    plain, inflated = quantile(ranked, 0.95), quantile(ranked, 0.95, inflation=4)
    assert plain is not None
    assert inflated is not None
    assert inflated.variance**0.5 == pytest.approx(2 * plain.variance**0.5, rel=0.25)


@pytest.mark.parametrize(("share", "bound"), [(0.5, 68.62803), (0.9, 43.72119), (0.1, 59.96521)])
def test_the_strict_bound_is_that_of_confseq(share: float, bound: float) -> None:
    assert round(stitched_bound(share, 1000, 0.05, 100), 5) == bound


def test_a_band_reaches_further_towards_the_middle() -> None:
    # Events that are rare on one side stray further on that side: 500 of 10,000 values lie above p95, give or take.
    for n, low, high in ((10_000, 0.9363, 0.9605), (50_000, 0.9442, 0.9551)):
        band = quantile_band(n, 0.95, 0.05, 1000)
        assert (round(band[0], 4), round(band[1], 4)) == (low, high)
    low, high = quantile_band(20, 0.95, 0.05, 20)
    assert 0 < low < 0.5
    assert high == 1


def test_the_band_holds_at_all_times_at_once() -> None:
    chance = np.random.default_rng(8)
    looks = np.arange(200, 10_001, 100)
    below = (chance.random((400, 10_000)) <= 0.95).cumsum(axis=1)[:, looks - 1] / looks
    bands = np.array([quantile_band(int(n), 0.95, 0.05, 1000) for n in looks])
    # The true quantile is the empirical one of the share that lies below it.
    is_outside = (below < bands[:, 0]) | (below > bands[:, 1])
    assert is_outside.any(axis=1).mean() <= 0.05


def test_a_strict_difference_finds_what_is_there_and_nothing_else() -> None:
    chance = np.random.default_rng(6)
    slow, fast, alike = (Ranked.of(chance.lognormal(mean, 0.4, size=20_000)) for mean in (6.5, 6, 6))
    assert strict_difference(fast, slow, 0.95, 0.05, 1000)[0] > 0
    low, high = strict_difference(fast, alike, 0.95, 0.05, 1000)
    assert low < 0 < high


def test_a_strict_difference_of_few_values_is_unknown() -> None:
    few, many = Ranked.of([1.0] * 30), Ranked.of([1.0] * 5000)
    assert strict_difference(few, many, 0.95, 0.05, 1000) == (-inf, inf)
    assert strict_difference(Ranked.of([]), many, 0.95, 0.05, 1000) == (-inf, inf)
