"""Whether an arm may take over."""

from dataclasses import replace

import pytest

from routing.experiment.ruling import CostSwitch, Evidence, Guardrail, Primary, Ruling, rule
from routing.experiment.sample_ratio import SampleRatio

FINE = SampleRatio(p_value=0.4, chi_square_p_value=0.3)
OFF = SampleRatio(p_value=0.0002, chi_square_p_value=0.00001)
BETTER = Primary(metric="success", gain=0.03, lower=0.01, upper=0.05, p_value=0.001)
WORSE = Primary(metric="success", gain=-0.03, lower=-0.05, upper=-0.01, p_value=0.001)
OPEN = Primary(metric="success", gain=0.01, lower=-0.02, upper=0.04, p_value=0.6)
SAFE = Guardrail(metric="latency_p95_s", least_harm=0.05, margin=0.2)
HURT = Guardrail(metric="failure", least_harm=0.021, margin=0.02)
CHEAPER = CostSwitch(quality="success", quality_lower=-0.015, margin=0.02, cost_upper=-0.001)


def evidence(*primaries: Primary, **others: object) -> Evidence:
    known = Evidence(primaries=primaries, sample_ratio=FINE, units=(5000, 5000), guardrails=(SAFE,))
    return replace(known, **others)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize(
    ("known", "ruling", "said"),
    [
        (evidence(BETTER), Ruling.PROMOTE, "success is better: +0.03 (+0.01 to +0.05)"),
        (evidence(OPEN), Ruling.WAIT, "settles nothing yet"),
        (evidence(WORSE), Ruling.ROLL_BACK, "success is worse"),
        (evidence(OPEN, cost_switch=CHEAPER), Ruling.PROMOTE, "costs less by at least 0.001"),
        (evidence(OPEN, cost_switch=replace(CHEAPER, cost_upper=0.001)), Ruling.WAIT, "settles nothing yet"),
        (evidence(OPEN, cost_switch=replace(CHEAPER, quality_lower=-0.021)), Ruling.WAIT, "settles nothing yet"),
        (evidence(BETTER, guardrails=(SAFE, HURT)), Ruling.ROLL_BACK, "failure is worse by at least 0.021, where 0.02"),
        (evidence(BETTER, sample_ratio=OFF), Ruling.BLOCKED, "did not get the units"),
        (evidence(WORSE, sample_ratio=OFF), Ruling.BLOCKED, "p = 0.0002, below 0.001"),
        (evidence(BETTER, sample_ratio=OFF, guardrails=(HURT,)), Ruling.ROLL_BACK, "failure"),
        (evidence(BETTER, units=(5000, 99)), Ruling.WAIT, "99 units in an arm, where 100 are needed"),
        (evidence(WORSE, units=(5000, 99)), Ruling.WAIT, "99 units"),
        (evidence(OPEN, units=(99, 99), guardrails=(HURT,)), Ruling.ROLL_BACK, "failure"),
        (evidence(BETTER, min_units=10_000), Ruling.WAIT, "5000 units in an arm, where 10000 are needed"),
    ],
)
def test_the_rule(known: Evidence, ruling: Ruling, said: str) -> None:
    found = rule(known)
    assert found.ruling is ruling
    assert said in found.reason


def test_a_quality_that_may_be_a_little_worse_is_not_rolled_back_for_being_so() -> None:
    slightly = Primary(metric="success", gain=-0.01, lower=-0.014, upper=-0.006, p_value=1e-4)
    assert rule(evidence(slightly)).ruling is Ruling.ROLL_BACK
    assert rule(evidence(slightly, cost_switch=CHEAPER)).ruling is Ruling.PROMOTE
    dearer = replace(CHEAPER, cost_upper=0.1)
    assert rule(evidence(slightly, cost_switch=dearer)).ruling is Ruling.WAIT
    beyond = replace(slightly, gain=-0.04, lower=-0.05, upper=-0.03)
    assert rule(evidence(beyond, cost_switch=replace(CHEAPER, quality_lower=-0.05))).ruling is Ruling.ROLL_BACK


def test_several_primaries_share_alpha() -> None:
    close = replace(BETTER, p_value=0.03)
    other = replace(OPEN, metric="invalid")
    assert rule(evidence(close)).ruling is Ruling.PROMOTE
    assert rule(evidence(close, other)).ruling is Ruling.WAIT
    assert rule(evidence(replace(close, p_value=0.02), other)).ruling is Ruling.PROMOTE


def test_a_primary_that_is_worse_outweighs_one_that_is_better() -> None:
    assert rule(evidence(BETTER, replace(WORSE, metric="invalid"))).ruling is Ruling.ROLL_BACK


def test_a_ruling_keeps_the_numbers_that_made_it() -> None:
    assert rule(evidence(BETTER, cost_switch=CHEAPER)).numbers == {
        "units_baseline": 5000,
        "units_arm": 5000,
        "min_units": 100,
        "alpha": 0.05,
        "srm_pvalue": 0.4,
        "success.gain": 0.03,
        "success.lower": 0.01,
        "success.upper": 0.05,
        "success.pvalue": 0.001,
        "guardrail.latency_p95_s.least_harm": 0.05,
        "guardrail.latency_p95_s.margin": 0.2,
        "cost_switch.quality_lower": -0.015,
        "cost_switch.margin": 0.02,
        "cost_switch.cost_upper": -0.001,
    }


def test_an_experiment_is_about_something() -> None:
    with pytest.raises(ValueError, match="needs a primary metric"):
        evidence()
