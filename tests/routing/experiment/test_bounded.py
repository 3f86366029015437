"""Bounds without an approximation, against published figures and by their laws."""

from math import inf, log

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom

from routing.experiment.bounded import Bounded, has_few_events
from routing.experiment.effects import pair
from routing.experiment.sequence import TwoSided, tuning
from routing.experiment.sums import ArmSums


def arm(n: int, events: float, squares: float | None = None) -> ArmSums:
    return ArmSums(n=n, y=events, d=n, dd=n, yd=events, yy=events if squares is None else squares)


def test_the_interval_for_one_arm_is_that_of_confseq() -> None:
    # It is tightest at 100 units an arm there.
    assert Bounded(0.05, 200).mean(arm(1000, 700)) == pytest.approx((0.651629, 0.745949), abs=1e-6)


def test_the_evidence_is_a_mixture_of_likelihood_ratios() -> None:
    k = tuning(500, 0.05) - 1
    expected = 0.0
    for successes, n in ((13, 40), (30, 50)):
        null = binom.pmf(successes, n, 0.5)
        mixed, _ = quad(lambda q, s=successes, m=n: beta.pdf(q, k / 2, k / 2) * binom.pmf(s, m, q), 0, 1)
        expected += log(mixed / null)
    bounds, steps = Bounded(0.05, 1000), [(arm(40, 13), arm(50, 30))]
    assert bounds.log_e(steps) <= expected
    # Nothing between the two means explains the data better than some p near their middle.
    assert bounds.log_e(steps) == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize(
    ("baseline", "other"),
    [(arm(1000, 2), arm(1000, 30)), (arm(300, 0), arm(900, 60)), (arm(2000, 1990), arm(2000, 1900))],
)
def test_an_interval_without_0_is_a_p_value_under_alpha(baseline: ArmSums, other: ArmSums) -> None:
    bounds = Bounded()
    p = bounds.p_value([(baseline, other)])
    assert 0 < p < 0.05
    for alpha, is_sure in ((p * 1.02, True), (p * 0.98, False)):
        # The tuning belongs to alpha, so it is kept where it was.
        tuned = Bounded(alpha, tuning(5000, 0.05) / tuning(1, alpha))
        low, high = tuned.difference([(baseline, other)])
        assert (low > 0 or high < 0) == is_sure


def test_swapping_the_arms_turns_the_interval_around() -> None:
    one, other = arm(500, 4), arm(800, 31)
    low, high = Bounded().difference([(one, other)])
    assert Bounded().difference([(other, one)]) == pytest.approx((-high, -low), abs=1e-6)


def test_no_events_at_all_say_something_by_their_number() -> None:
    few, many = (Bounded().difference([(arm(n, 0), arm(n, 0))]) for n in (200, 5000))
    assert few == pytest.approx((-few[1], few[1]))
    assert 0 < many[1] < 0.002 < few[1]
    assert Bounded().p_value([(arm(200, 0), arm(200, 0))]) == pytest.approx(1)


def test_a_ratio_may_be_anything_where_the_baseline_may_be_0() -> None:
    low, high = Bounded().relative(arm(1000, 0), arm(1000, 12))
    assert low > -1
    assert high == inf
    assert Bounded().relative(arm(1000, 12), arm(1000, 0))[0] == -1
    low, high = Bounded().relative(arm(2500, 25), arm(2500, 60))
    assert 0 < low < 60 / 25 - 1 < high < inf


def test_with_many_events_it_comes_near_the_approximation() -> None:
    baseline, other = arm(2500, 1500), arm(2500, 1650)
    low, high = Bounded().difference([(baseline, other)])
    effect = pair(baseline, other).absolute
    reach = float(TwoSided().half_width(effect.variance, effect.units))
    assert reach < (high - low) / 2 < 1.2 * reach
    assert low < effect.effect < high


def test_values_in_between_are_no_surer_than_events() -> None:
    # Only the sum counts, so that values between 0 and 1 get the bounds of the events with the same sum.
    assert Bounded().mean(arm(100, 40.0, squares=20.0)) == Bounded().mean(arm(100, 40))


def test_steps_of_a_ramp_add_up_although_success_drifts() -> None:
    steps = [(arm(1980, 600), arm(20, 6)), (arm(1000, 820), arm(1000, 820))]
    bounds = Bounded()
    assert bounds.p_value(steps) > 0.5
    low, high = bounds.difference(steps)
    assert low < 0 < high
    assert high - low < np.diff(bounds.difference(steps[:1]))[0]


def test_no_common_difference_is_no_knowledge() -> None:
    steps = [(arm(3000, 300), arm(3000, 2700)), (arm(3000, 2700), arm(3000, 300))]
    assert Bounded().difference(steps) == (-1, 1)
    assert Bounded().p_value(steps) < 1e-6


def test_few_events_are_few_of_either_outcome() -> None:
    assert has_few_events(arm(1000, 19))
    assert has_few_events(arm(1000, 981))
    assert not has_few_events(arm(1000, 20))


@pytest.mark.parametrize("broken", [arm(10, 11), arm(10, -1), arm(10, 5, squares=7)], ids=["above", "below", "beyond"])
def test_values_beyond_0_and_1_are_refused(broken: ArmSums) -> None:
    with pytest.raises(ValueError, match="every value must be from 0 to 1"):
        Bounded().mean(broken)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="alpha"):
        Bounded(0.7)
    with pytest.raises(ValueError, match="planned units"):
        Bounded(0.05, 0)
