"""What is known of an experiment, and what its contract makes of it."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from routing.experiment.contract import Contract, ExperimentMode, Goal, Limit, MetricName
from routing.experiment.measures import Known, effects, judge, look, p_value, watch
from routing.experiment.quantiles import Ranked
from routing.experiment.ruling import Ruling
from routing.experiment.sums import ArmSums
from routing.experiment.tally import Both, Stratum, Sums
from routing.words import ModelName

CONTRACT = Contract(
    name="v2",
    baseline=ModelName("v1"),
    candidate=ModelName("v2"),
    mode=ExperimentMode.AUTO,
    primary=Goal(metric=MetricName.FEEDBACK_SUCCESS),
    guardrails=(
        Limit(metric=MetricName.FAILURE_SHARE, margin=0.01),
        Limit(metric=MetricName.LATENCY_P95_MS, margin=100.0),
    ),
    min_units=100,
    planned_units=5000,
    alpha=0.05,
    steps=(5000, 10_000),
    soak_us=1,
    horizon_us=0,
    stop_us=10,
)
FAILURES = CONTRACT.guardrails[0]


def share(n: int, events: int) -> Both:
    sums = ArmSums(n=n, y=events, d=n, yy=events, dd=n, yd=events)
    return Both(sums, sums)


def of(values: np.ndarray) -> Both:
    return Both(ArmSums.of(values))


def stratum(baseline: tuple[int, int], arm: tuple[int, int]) -> Stratum:
    return Stratum(baseline=share(*baseline), arm=share(*arm))


def sums(
    units: dict[int, tuple[int, int]] | None = None,
    latencies: dict[int, tuple[Ranked, Ranked]] | None = None,
    **strata: dict[int, Stratum],
) -> Sums:
    named = {MetricName(name): found for name, found in strata.items()}
    return Sums(units=units or {0: (1000, 1000)}, strata=named, latencies=latencies or {})


def known(matured: Sums, entered: Sums | None = None) -> Known:
    return Known(matured=matured, entered=entered or sums(), weights={0: (50, 50)})


def test_a_version_that_is_surely_better_may_take_over() -> None:
    found = judge(CONTRACT, known(sums(feedback_success={0: stratum((1000, 700), (1000, 800))})))
    assert found.ruled.ruling is Ruling.PROMOTE
    assert found.primary is not None
    assert found.primary.effect == pytest.approx(0.1)
    assert found.primary.lower > 0
    assert (found.primary.baseline, found.primary.arm) == (0.7, 0.8)


def test_a_version_that_is_surely_worse_goes_back() -> None:
    found = judge(CONTRACT, known(sums(feedback_success={0: stratum((1000, 800), (1000, 700))})))
    assert found.ruled.ruling is Ruling.ROLL_BACK
    assert "feedback_success is worse" in found.ruled.reason


def test_without_a_label_there_is_nothing_to_rule_on() -> None:
    found = judge(CONTRACT, known(sums()))
    assert (found.ruled.ruling, found.primary) == (Ruling.WAIT, None)
    assert "0 units in an arm" in found.ruled.reason


def test_of_a_metric_where_lower_is_better_less_is_a_gain() -> None:
    contract = replace(CONTRACT, primary=Goal(metric=MetricName.FALLBACK_SHARE))
    found = judge(contract, known(sums(fallback_share={0: stratum((1000, 300), (1000, 200))})))
    assert found.ruled.ruling is Ruling.PROMOTE
    assert found.ruled.numbers["fallback_share.gain"] == pytest.approx(0.1)


def test_a_guardrail_is_of_all_units_while_the_primary_waits_for_those_that_matured() -> None:
    entered = sums(failure_share={0: stratum((400, 0), (400, 60))})
    found = judge(CONTRACT, known(sums(units={}), entered))
    assert found.ruled.ruling is Ruling.ROLL_BACK
    assert "failure_share is worse by at least" in found.ruled.reason


def test_few_failures_are_judged_exactly_before_there_are_units_for_an_approximation() -> None:
    all_fail = sums(failure_share={0: stratum((50, 0), (50, 50))})
    some_fail = sums(failure_share={0: stratum((50, 0), (50, 2))})
    assert watch(CONTRACT, FAILURES, all_fail).least_harm > FAILURES.margin
    assert watch(CONTRACT, FAILURES, some_fail).least_harm == -inf


def test_what_is_only_approximate_breaks_no_guardrail_before_there_are_units_enough() -> None:
    limit = Limit(metric=MetricName.LATENCY_MS, margin=10.0)
    chance = np.random.default_rng(1)

    def harm(n: int) -> float:
        values = Stratum(baseline=of(chance.normal(100, 5, n)), arm=of(chance.normal(200, 5, n)))
        return watch(CONTRACT, limit, sums(latency_ms={0: values})).least_harm

    assert harm(99) == -inf
    assert 95 < harm(100) < 100


def test_alpha_is_shared_among_the_guardrails() -> None:
    entered = sums(failure_share={0: stratum((1000, 100), (1000, 130))})
    alone = replace(CONTRACT, guardrails=(FAILURES,))
    assert watch(alone, FAILURES, entered).least_harm > watch(CONTRACT, FAILURES, entered).least_harm


def test_p95_is_compared_step_by_step() -> None:
    chance = np.random.default_rng(2)

    def ranked(scale: float, n: int) -> Ranked:
        return Ranked.of(chance.gamma(4, scale, n))

    slower = {step: (ranked(50, 2000), ranked(90, 2000)) for step in (0, 1)}
    watched = watch(CONTRACT, CONTRACT.guardrails[1], sums(latencies=slower))
    assert watched.effect == pytest.approx(40 * 7.75, rel=0.1)  # 7.75 is the quantile for a scale of 1
    assert watched.guardrail.is_breached
    found = look(CONTRACT, MetricName.LATENCY_P95_MS, sums(latencies=slower))
    assert found is not None
    assert found.lower > 0
    assert found.units == (4000, 4000)


def test_too_few_latencies_say_nothing_of_p95() -> None:
    few = {0: (Ranked.of([1.0] * 10), Ranked.of([2.0] * 10))}
    found = look(CONTRACT, MetricName.LATENCY_P95_MS, sums(latencies=few))
    assert found is not None
    assert (found.lower, found.upper) == (-inf, inf)


def test_a_ramp_is_compared_within_its_steps_and_not_across_them() -> None:
    ramp = {0: stratum((9900, 6930), (100, 70)), 1: stratum((5000, 4100), (5000, 4100))}
    found = look(CONTRACT, MetricName.FEEDBACK_SUCCESS, sums(feedback_success=ramp))
    assert found is not None
    assert found.effect == pytest.approx(0.0, abs=1e-12)
    pooled = (4170 / 5100) - (11_030 / 14_900)
    assert pooled > 0.07


def test_units_that_are_not_as_they_should_be_block_a_verdict() -> None:
    matured = sums(units={0: (2600, 2000)}, feedback_success={0: stratum((1000, 700), (1000, 800))})
    found = judge(CONTRACT, known(matured))
    assert found.ruled.ruling is Ruling.BLOCKED
    assert found.sample_ratio.is_off


def test_the_sample_ratio_is_that_of_each_step() -> None:
    ramp = sums(units={0: (9900, 100), 1: (5000, 5000)})
    weights = {0: (9900, 100), 1: (5000, 5000), 2: (0, 10_000)}
    found = judge(CONTRACT, Known(matured=ramp, entered=sums(), weights=weights))
    assert found.sample_ratio.p_value == 1.0


GOOD_ENOUGH = replace(CONTRACT, primary=Goal(metric=MetricName.FEEDBACK_SUCCESS, margin=0.05))


def test_with_a_margin_it_is_enough_not_to_be_worse_by_more() -> None:
    equal = known(sums(feedback_success={0: stratum((5000, 4000), (5000, 4000))}))
    assert judge(CONTRACT, equal).ruled.ruling is Ruling.WAIT
    found = judge(GOOD_ENOUGH, equal).ruled
    assert found.ruling is Ruling.PROMOTE
    assert "where 0.05 are allowed" in found.reason


def test_a_margin_that_is_not_shown_yet_waits_for_more() -> None:
    few = known(sums(feedback_success={0: stratum((200, 160), (200, 160))}))
    assert judge(GOOD_ENOUGH, few).ruled.ruling is Ruling.WAIT


def test_what_is_worse_within_its_margin_is_not_rolled_back() -> None:
    worse = known(sums(feedback_success={0: stratum((50_000, 40_000), (50_000, 39_000))}))
    assert judge(CONTRACT, worse).ruled.ruling is Ruling.ROLL_BACK
    assert judge(GOOD_ENOUGH, worse).ruled.ruling is Ruling.PROMOTE


def test_what_is_cheaper_says_so() -> None:
    chance = np.random.default_rng(3)
    costs = Stratum(baseline=of(chance.gamma(4, 0.01, 5000)), arm=of(chance.gamma(4, 0.005, 5000)))
    equal = sums(feedback_success={0: stratum((5000, 4000), (5000, 4000))}, cost_usd={0: costs})
    assert "costs less by at least" in judge(GOOD_ENOUGH, known(equal)).ruled.reason


def test_few_unlabelled_units_are_too_few_for_a_margin_however_sure_it_looks() -> None:
    few = known(sums(feedback_success={0: stratum((99, 50), (99, 60))}))
    contract = replace(GOOD_ENOUGH, primary=Goal(metric=MetricName.FEEDBACK_SUCCESS, margin=0.9))
    assert judge(contract, few).ruled.ruling is Ruling.WAIT


def test_every_metric_with_values_in_both_arms_is_shown() -> None:
    seen = sums(feedback_success={0: stratum((10, 5), (0, 0))}, fallback_share={0: stratum((100, 1), (100, 2))})
    found = effects(CONTRACT, seen)
    assert set(found) == {MetricName.FALLBACK_SHARE}
    assert found[MetricName.FALLBACK_SHARE].is_exact
    assert found[MetricName.FALLBACK_SHARE].units == (100, 100)


def run_ramp(chance: np.random.Generator, *, pooled: bool) -> bool:
    """Whether equal arms look different at any of 100 looks, over 1, 5, 25 and 50 % while success goes .70 to .82."""
    contract = replace(CONTRACT, guardrails=(), planned_units=20_000)
    each = 200
    strata: dict[int, Stratum] = {}
    total = Stratum()
    for number in range(100):
        step, success = number // 25, 0.70 + 0.12 * number / 99
        in_arm = chance.binomial(each, (0.01, 0.05, 0.25, 0.50)[step])
        events = [int(chance.binomial(n, success)) for n in (each - in_arm, in_arm)]
        new = stratum((each - in_arm, events[0]), (in_arm, events[1]))
        old = strata.get(step, Stratum())
        strata[step] = Stratum(baseline=old.baseline + new.baseline, arm=old.arm + new.arm)
        total = Stratum(baseline=total.baseline + new.baseline, arm=total.arm + new.arm)
        seen = sums(feedback_success={0: total} if pooled else strata)
        if sees_a_difference(contract, seen):
            return True
    return False


def sees_a_difference(contract: Contract, seen: Sums) -> bool:
    in_arm = sum(one.arm.requests.n for one in seen.strata[MetricName.FEEDBACK_SUCCESS].values())
    return in_arm >= 100 and p_value(contract, MetricName.FEEDBACK_SUCCESS, seen) < contract.alpha


def share_wrong(runs: int, *, pooled: bool) -> float:
    return float(np.mean([run_ramp(np.random.default_rng([seed, 7]), pooled=pooled) for seed in range(runs)]))


def test_over_a_ramp_while_success_drifts_steps_as_strata_see_what_is_not_there_in_at_most_5_percent() -> None:
    assert share_wrong(100, pooled=False) <= 0.05


def test_the_same_ramp_pooled_over_its_steps_sees_it_nearly_always() -> None:
    assert share_wrong(20, pooled=True) > 0.5
