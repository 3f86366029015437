"""Differences between two arms, against figures of GrowthBook's tests and over the steps of a ramp."""

from dataclasses import replace
from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from routing.experiment.effects import Effect, pair, pooled_theta, stratified
from routing.experiment.sequence import TwoSided
from routing.experiment.sums import ArmSums


def sums(n: int, y: float, yy: float) -> ArmSums:
    return ArmSums(n=n, y=y, yy=yy, d=n, dd=n, yd=y)


BASELINE = sums(3407, 1396.87, 52377.9767)
ARM = sums(3461, 2422.7, 134698.29)
SHORTER = replace(BASELINE, n=3000, d=3000, dd=3000)


def welch(effect: Effect, first: ArmSums, second: ArmSums) -> tuple[float, float, float]:
    """The interval and the p-value of Welch's test, for one look."""
    parts = [(arm.variance(), arm.n) for arm in (first, second)]
    freedom = sum(part for part, _ in parts) ** 2 / sum(part**2 / (n - 1) for part, n in parts)
    reach = stats.t.ppf(0.975, freedom) * effect.se
    return effect.effect - reach, effect.effect + reach, 2 * stats.t.sf(abs(effect.effect) / effect.se, freedom)


def test_an_absolute_effect_is_that_of_welch() -> None:
    found = pair(BASELINE, ARM).absolute
    assert (round(found.effect, 5), round(found.se, 5), found.units) == (0.29, 0.12478, 6868)
    low, high, p = welch(found, BASELINE, ARM)
    assert (round(low, 5), round(high, 5), round(p, 5)) == (0.04538, 0.53462, 0.02016)


def test_a_relative_effect_is_that_of_the_delta_method() -> None:
    found = pair(BASELINE, ARM).relative
    assert found is not None
    reach = found.se * stats.norm.ppf(0.975)
    assert round(found.effect, 5) == 0.70732
    assert (found.effect - reach, found.effect + reach) == pytest.approx((-0.03526, 1.44989), abs=3e-4)


def test_a_one_sided_lower_bound_is_that_of_welch() -> None:
    found = pair(SHORTER, ARM).absolute
    parts = [(arm.variance(), arm.n) for arm in (SHORTER, ARM)]
    freedom = sum(part for part, _ in parts) ** 2 / sum(part**2 / (n - 1) for part, n in parts)
    assert found.effect - stats.t.ppf(0.95, freedom) * found.se == pytest.approx(0.020791480063255735, rel=1e-9)
    assert stats.t.sf(found.effect / found.se, freedom) == pytest.approx(0.03554272489873023, rel=1e-9)


def test_a_relative_effect_under_a_sequence() -> None:
    found = pair(SHORTER, ARM).relative
    assert found is not None
    sequence = TwoSided(alpha=0.05, planned_units=1000)
    reach = float(sequence.half_width(found.variance, found.units))
    assert (round(found.effect, 5), round(found.se, 5)) == (0.50336, 0.33341)
    assert (round(found.effect - reach, 5), round(found.effect + reach, 5)) == (-0.55844, 1.56516)
    assert float(sequence.p_value(found.effect, found.variance, found.units)) == 1


def test_theta_of_cuped() -> None:
    arm = ArmSums.of([2, 1, 5, 3], before=[0.3, 0.5, 0.9, 22])
    assert round(pooled_theta([arm, arm]), 5) == 0.01864
    assert pooled_theta([BASELINE, ARM]) == 0


def test_cuped_leaves_what_the_past_does_not_explain() -> None:
    chance = np.random.default_rng(3)
    before = chance.normal(5, 2, size=(2, 4000))
    values = 0.8 * before + chance.normal(0, 1.2, size=(2, 4000)) + np.array([[0], [0.1]])
    arms = [ArmSums.of(y, before=x) for y, x in zip(values, before, strict=True)]
    theta = pooled_theta(arms)
    plain, adjusted = pair(arms[0], arms[1]).absolute, pair(arms[0], arms[1], theta).absolute
    correlation = np.corrcoef(values[0], before[0])[0, 1]
    assert adjusted.variance / plain.variance == pytest.approx(1 - correlation**2, abs=0.02)
    expected = values[1].mean() - values[0].mean() - theta * (before[1].mean() - before[0].mean())
    assert adjusted.effect == pytest.approx(expected)


def test_a_relative_effect_needs_a_baseline_that_is_not_0() -> None:
    assert pair(ArmSums.of([1, -1]), ArmSums.of([1, 2])).relative is None
    assert pair(ArmSums.of([1]), ArmSums.of([1, 2])).relative is None


def test_a_relative_effect_has_the_sign_of_the_difference() -> None:
    found = pair(ArmSums.of([-3, -5]), ArmSums.of([-1, -3])).relative
    assert found is not None
    assert found.effect == 0.5


def binary(n: int, share: float) -> ArmSums:
    return sums(n, share * n, share * n)


def test_over_a_ramp_drift_is_no_difference_within_steps_though_it_is_one_between_the_pooled_arms() -> None:
    steps = [(binary(9900, 0.7), binary(100, 0.7)), (binary(5000, 0.82), binary(5000, 0.82))]
    assert stratified(steps).absolute.effect == pytest.approx(0, abs=1e-12)
    pooled = pair(steps[0][0] + steps[1][0], steps[0][1] + steps[1][1]).absolute
    assert pooled.effect > 5 * pooled.se


def test_a_step_weighs_what_it_can_tell() -> None:
    steps = [(binary(9900, 0.7), binary(100, 0.8)), (binary(5000, 0.7), binary(5000, 0.7))]
    found = stratified(steps).absolute
    assert found.effect == pytest.approx(0.1 * 99 / (99 + 2500))
    first, second = (pair(*step).absolute for step in steps)
    assert found.variance == pytest.approx((99**2 * first.variance + 2500**2 * second.variance) / 2599**2)
    assert found.units == pytest.approx(4 * 2599)
    assert stratified(steps[::-1]).absolute == found


def test_one_step_of_equal_shares_is_a_plain_comparison() -> None:
    step = (binary(500, 0.7), binary(500, 0.75))
    assert stratified([step]).absolute == pair(*step).absolute


def test_steps_that_say_nothing_are_left_out() -> None:
    step = (binary(500, 0.7), binary(500, 0.75))
    assert stratified([step, (binary(90, 1), binary(1, 1))]).absolute == stratified([step]).absolute
    nothing = stratified([]).absolute
    assert (nothing.effect, nothing.se, nothing.units) == (0, inf, 0)
    assert nothing.se == sqrt(nothing.variance)
