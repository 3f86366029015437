"""Where two arms that go together speak least against a tie, against looking everywhere."""

from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.experiment.mixture import EDGE, Mixture, Ties, inside, least
from routing.experiment.sums import ArmSums, Floats

COUNTS = st.integers(0, 4000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def mixture(*counts: tuple[int, float], k: float = 40.0) -> Mixture:
    return Mixture.of([ArmSums(n=n, y=y, yy=y, d=n, dd=n, yd=y) for n, y in counts], k)


def everywhere(baseline: Mixture, arm: Mixture, ties: Ties) -> Floats:
    """The least of a hundred thousand places, which lie closer together near the ends."""
    low, high = (float(ends[0, 0]) for ends in ties.ends)
    near = np.geomspace(1e-12, 0.5, 50_000)
    places = low + np.concatenate([[0.0], near, 1 - near, [1.0]]) * (high - low)
    values = baseline.log_m(places[:, None]) + arm.log_m(ties.factor[0] * places[:, None] + ties.offset[0])
    return np.asarray(values.min(axis=0))


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS, st.floats(-0.999, 0.999), st.floats(1.0, 300.0))
def test_a_difference_is_spoken_against_least_at_the_bottom_of_the_valley(
    one: tuple[int, int], other: tuple[int, int], difference: float, k: float
) -> None:
    ties = Ties(np.array([difference]), np.ones(1))
    baseline, arm = mixture(one, k=k), mixture(other, k=k)
    assert least(baseline, arm, ties)[0] <= everywhere(baseline, arm, ties) + 1e-7
    assert least(baseline, arm, ties)[0] == pytest.approx(everywhere(baseline, arm, ties), abs=2e-3, rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(COUNTS, COUNTS, st.floats(-8, 8))
def test_so_is_a_ratio(one: tuple[int, int], other: tuple[int, int], log_ratio: float) -> None:
    ties = Ties(np.zeros(1), np.array([exp(log_ratio)]))
    baseline, arm = mixture(one), mixture(other)
    assert least(baseline, arm, ties)[0] <= everywhere(baseline, arm, ties) + 1e-7


def test_ties_and_steps_are_looked_at_each_for_itself() -> None:
    counts = [(100, 3), (2000, 1500), (50, 0)], [(9000, 90), (10, 10), (0, 0)]
    baseline, arm = mixture(*counts[0]), mixture(*counts[1])
    differences = np.array([-0.9, -0.02, 0.0, 0.4, 1.0])
    together = least(baseline, arm, Ties(differences, np.ones(5)))
    assert together.shape == (5, 3)
    for row, difference in enumerate(differences):
        for step in range(3):
            alone = least(mixture(counts[0][step]), mixture(counts[1][step]), Ties(np.array([difference]), np.ones(1)))
            assert together[row, step] == pytest.approx(float(alone[0, 0]), abs=1e-8)


def test_the_slope_is_that_of_the_evidence() -> None:
    found = mixture((1000, 12), (300, 299), (20, 0))
    means = np.array([[0.01, 0.9, 0.3], [0.4, 0.2, 0.001]])
    step = 1e-6
    slope, curve = found.slopes(means)
    numeric = (found.log_m(means + step) - found.log_m(means - step)) / (2 * step)
    assert slope == pytest.approx(numeric, rel=1e-5, abs=1e-4)
    bend = (found.slopes(means + step)[0] - found.slopes(means - step)[0]) / (2 * step)
    assert curve == pytest.approx(bend, rel=0.05)


def test_no_mean_is_an_end() -> None:
    assert inside([0.0, 0.5, 1.0]).tolist() == [EDGE, 0.5, 1 - EDGE]
