"""Shares of an adaptive experiment: against drawing means, and by their laws."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.effects import Estimate
from routing.experiment.top_two import best_chances, shares, top_two

KNOWN = st.lists(
    st.builds(Estimate, mean=st.floats(-5, 5), variance=st.floats(0, 4)), min_size=2, max_size=10
)


def known(*means: float, variance: float = 0.0004) -> list[Estimate]:
    return [Estimate(mean=mean, variance=variance) for mean in means]


def test_chances_are_those_of_drawing_means() -> None:
    estimates = [Estimate(mean=0.6, variance=0.0009), Estimate(mean=0.64, variance=0.0025), *known(0.58, variance=0.01)]
    drawn = np.random.default_rng(4).normal(
        [one.mean for one in estimates], [one.variance**0.5 for one in estimates], size=(400_000, 3)
    )
    assert best_chances(estimates, 1) == pytest.approx(np.bincount(drawn.argmax(axis=1)) / 400_000, abs=0.003)
    assert best_chances(estimates, -1) == pytest.approx(np.bincount(drawn.argmin(axis=1)) / 400_000, abs=0.003)


def test_top_two_is_drawing_until_another_is_best() -> None:
    chances = np.array([0.2, 0.7, 0.1])
    chance = np.random.default_rng(5)
    played = np.zeros(3)
    for first, is_kept in zip(chance.choice(3, 20_000, p=chances), chance.random(20_000) < 0.5, strict=True):
        at = first
        while not is_kept and at == first:
            at = chance.choice(3, p=chances)
        played[at] += 1
    assert top_two(chances) == pytest.approx(played / 20_000, abs=0.012)


def test_the_best_gets_about_half_and_the_worst_its_floor() -> None:
    # 0.1 / 3 + 0.9 (0.05 + 0.85 t), with t of a half, a half and nothing
    assert shares(known(0.6, 0.7, 0.4), 1) == (4608, 4608, 784)
    assert shares(known(0.6, 0.9, 0.59, variance=1e-8), 1)[1] == 4608


def test_where_less_is_better_the_least_gets_most() -> None:
    # Of three columns sorted by size the second and the third are the two greatest: not those that are wanted here.
    few, more, most = shares(known(10.0, 20.0, 30.0, variance=9.0), -1)
    assert few >= more > most
    assert most < 900


def test_two_arms_are_divided_evenly_whatever_was_seen() -> None:
    assert shares(known(0.1, 0.9), 1) == (5000, 5000)


def test_nothing_known_of_one_leaves_all_the_same() -> None:
    assert shares([*known(0.2, 0.9), Estimate(mean=0.0, variance=inf)], 1) == (3334, 3333, 3333)


@given(KNOWN, st.sampled_from([1, -1]))
def test_shares_are_whole_and_leave_everybody_something(estimates: list[Estimate], sign: int) -> None:
    found, arms = shares(estimates, sign), len(estimates)
    assert sum(found) == 10_000
    assert min(found) >= 10_000 * (0.1 / arms + 0.9 * 0.05) - 1
    assert found == shares(estimates, sign)


@given(KNOWN)
def test_turning_the_metric_around_turns_nothing_else_around(estimates: list[Estimate]) -> None:
    turned = [Estimate(mean=-one.mean, variance=one.variance) for one in estimates]
    assert shares(turned, -1) == shares(estimates, 1)


@pytest.mark.parametrize("arms", [1, 11])
def test_there_are_two_to_ten_arms(arms: int) -> None:
    with pytest.raises(ValueError, match="2 to 10 arms"):
        shares(known(*[0.5] * arms), 1)
