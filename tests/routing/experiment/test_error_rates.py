"""Does what is promised hold? Simulations with fixed seeds: how often, over many experiments, a check is wrong.

Every experiment is looked at 100 times. Beside what the package does stands what it does not do, and how wrong that is.
"""

from math import log

import numpy as np
import pytest

from routing.experiment.bounded import FEW_EVENTS, Bounded
from routing.experiment.effects import stratified
from routing.experiment.sample_ratio import ALARM, Counted, check_sample_ratio, log_bayes_factor
from routing.experiment.sequence import OneSided, TwoSided
from routing.experiment.sums import ArmSums, Floats

LOOKS = 100
EACH = 100
N = np.arange(1, LOOKS + 1) * float(EACH)


def events(share: float, seed: int, runs: int = 2000) -> Floats:
    """Events of an arm up to each look, (runs, looks), with 100 units more at each."""
    return np.random.default_rng(seed).binomial(EACH, share, size=(runs, LOOKS)).cumsum(axis=1).astype(np.float64)


def differences(baseline: Floats, arm: Floats) -> tuple[Floats, Floats]:
    """The difference at each look, and its variance."""
    spread = baseline * (1 - baseline / N) + arm * (1 - arm / N)
    return (arm - baseline) / N, spread / (N - 1) / N


@pytest.mark.parametrize("planned", [1000, 5000, 20_000])
def test_a_hundred_looks_at_equal_arms_see_a_difference_in_at_most_5_percent(planned: float) -> None:
    effect, variance = differences(events(0.6, 1), events(0.6, 2))
    sequence = TwoSided(0.05, planned)
    assert (np.abs(effect) > sequence.half_width(variance, 2 * N)).any(axis=1).mean() <= 0.05
    assert (sequence.p_value(effect, variance, 2 * N).min(axis=1) < 0.05).mean() <= 0.05


def test_a_naive_test_sees_one_in_a_third_of_them_though_it_is_right_at_a_single_look() -> None:
    effect, variance = differences(events(0.6, 1), events(0.6, 2))
    is_seen = np.abs(effect) > 1.96 * np.sqrt(variance)
    assert is_seen.any(axis=1).mean() > 0.3
    assert is_seen[:, -1].mean() == pytest.approx(0.05, abs=0.015)


def test_a_difference_that_is_there_is_seen() -> None:
    effect, variance = differences(events(0.6, 1), events(0.63, 2))
    is_seen = effect > TwoSided().half_width(variance, 2 * N)
    assert 0.9 < is_seen.any(axis=1).mean() < 0.96
    first = np.where(is_seen.any(axis=1), is_seen.argmax(axis=1), LOOKS)
    assert np.median(first + 1) * EACH == pytest.approx(4000, abs=400)


def test_a_margin_is_kept_at_its_boundary_and_shown_where_arms_are_equal() -> None:
    sequence = OneSided()

    def declared(arm_share: float) -> float:
        effect, variance = differences(events(0.6, 1), events(arm_share, 2))
        return float((effect - sequence.half_width(variance, 2 * N) > -0.02).any(axis=1).mean())

    assert declared(0.58) <= 0.05
    assert declared(0.6) > 0.6


def test_a_guardrail_on_a_rare_event_is_right_with_exact_bounds_and_wrong_without() -> None:
    # One unit of a hundred is in the arm, and one of a hundred of them fails, as in the baseline.
    chance = np.random.default_rng(5)
    runs, looks = 300, np.array([1, 2, 3, 5, 8, 12, 20, 30])
    few = chance.binomial(100, 0.99, size=(runs, 30)).cumsum(axis=1)[:, looks - 1].astype(float)
    many = chance.binomial(9900, 0.99, size=(runs, 30)).cumsum(axis=1)[:, looks - 1].astype(float)
    n, m = looks * 100.0, looks * 9900.0
    variance = few * (1 - few / n) / (n - 1) / n + many * (1 - many / m) / (m - 1) / m
    is_seen = np.abs(few / n - many / m) > TwoSided().half_width(variance, 4 * n * m / (n + m))
    assert is_seen.any(axis=1).mean() > 0.2
    has_enough = np.minimum(few, n - few) >= FEW_EVENTS
    assert (is_seen & has_enough).any(axis=1).mean() <= 0.05

    def exact(run: int, look: int) -> bool:
        steps = [(_binary(m[look], many[run, look]), _binary(n[look], few[run, look]))]
        return Bounded().p_value(steps) < 0.05

    wrong = sum(any(exact(run, look) for look in range(0, len(looks), 2)) for run in range(150))
    assert wrong <= 0.05 * 150


def _binary(n: float, count: float) -> ArmSums:
    return ArmSums(n=int(n), y=count, yy=count, d=n, dd=n, yd=count)


RAMP = (0.01, 0.05, 0.25, 0.5)


def ramp_up(chance: np.random.Generator, gain: float) -> tuple[list[tuple[ArmSums, ArmSums]], list[list[Counted]]]:
    """25 looks at each of four steps of 10,000 units, while success drifts from 0.70 to 0.82; arms of the last look.

    Returns (baseline, arm) up to every look of every step, and the counts likewise.
    """
    sums: list[tuple[ArmSums, ArmSums]] = []
    counts: list[list[Counted]] = []
    success = np.linspace(0.70, 0.82, LOOKS)
    for step, share in enumerate(RAMP):
        own = slice(step * 25, step * 25 + 25)
        arm_n = chance.binomial(400, share, size=25)
        arm_y = chance.binomial(arm_n, success[own] + gain).cumsum()
        base_y = chance.binomial(400 - arm_n, success[own]).cumsum()
        n, m = arm_n.cumsum(), (400 - arm_n).cumsum()
        sums += [(_binary(m[at], float(base_y[at])), _binary(n[at], float(arm_y[at]))) for at in range(25)]
        counts += [[Counted((int(m[at]), int(n[at])), (1 - share, share))] for at in range(25)]
    return sums, counts


def test_over_a_ramp_with_drift_steps_are_right_and_pooling_them_is_not() -> None:
    chance, sequence = np.random.default_rng(11), TwoSided()
    runs, wrong, pooled_wrong, alarms = 250, 0, 0, 0
    for _ in range(runs):
        sums, counts = ramp_up(chance, gain=0)
        looks = [[*sums[24:at:25], sums[at]] if at % 25 != 24 else sums[24 : at + 1 : 25] for at in range(LOOKS)]
        enough = [look for look in looks if sum(arm.n for _, arm in look) >= 100]
        found = [stratified(look).absolute for look in enough]
        effect, variance, n = (
            np.array(part) for part in zip(*((f.effect, f.variance, f.units) for f in found), strict=True)
        )
        wrong += bool((np.abs(effect) > sequence.half_width(variance, n)).any())
        base, arm = (sum((step[side] for step in looks[-1]), ArmSums()) for side in (0, 1))
        reach = float(sequence.half_width(base.variance() + arm.variance(), base.n + arm.n))
        pooled_wrong += abs(arm.mean - base.mean) > reach
        ended = counts[24::25]
        alarms += check_sample_ratio([step for [step] in ended]).is_off
    assert wrong <= 0.05 * runs
    assert pooled_wrong > 0.9 * runs
    assert alarms <= 0.001 * runs


def test_over_a_ramp_a_gain_is_seen_though_success_drifts() -> None:
    chance, sequence, seen = np.random.default_rng(12), TwoSided(), 0
    for _ in range(100):
        sums, _ = ramp_up(chance, gain=0.04)
        found = stratified(sums[24::25]).absolute
        seen += found.effect > float(sequence.half_width(found.variance, found.units))
    assert seen > 90


def sample_ratio_alarms(share: float, runs: int, seed: int) -> float:
    """How often 100 looks, up to 50,000 units, find that an equal split was not one."""
    chance = np.random.default_rng(seed)
    arm = chance.binomial(500, share, size=(runs, LOOKS)).cumsum(axis=1)
    is_off = 0
    for counts in arm.tolist():
        looks = (Counted((500 * look - count, count), (1, 1)) for look, count in enumerate(counts, start=1))
        is_off += any(log_bayes_factor(look) > -log(ALARM) for look in looks)
    return is_off / runs


def test_a_split_that_is_right_alarms_one_time_in_a_thousand_at_most() -> None:
    assert sample_ratio_alarms(0.5, runs=2000, seed=7) <= 0.001


def test_a_split_that_is_off_by_one_and_a_half_points_is_found_by_50_000_units() -> None:
    assert sample_ratio_alarms(0.515, runs=500, seed=9) > 0.99
