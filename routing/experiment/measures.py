"""From sums over units to what a ruling looks at: every metric's effect, the guardrails, the sample ratio.

| figure | of | bounds |
| --- | --- | --- |
| primary, and every other metric that is shown | matured units, over the horizon | two-sided, at alpha |
| guardrail | all units, by their first request | one-sided, at alpha over the number of guardrails |
| sample ratio | matured units | sequential, step by step |

Steps are strata everywhere. A share with few events gets exact bounds, which hold for any number of units; all else is
an approximation, and no guardrail rests on it before there are units enough.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from routing.experiment.bounded import Bounded, has_few_events
from routing.experiment.contract import IS_HIGHER_BETTER, SHARES, Contract, Limit, MetricName
from routing.experiment.effects import Effect, Estimate, Pair, stratified
from routing.experiment.quantiles import Ranked, quantile
from routing.experiment.ruling import CostSwitch, Evidence, Guardrail, Primary, Ruled, Ruling, rule
from routing.experiment.sample_ratio import Counted, SampleRatio, check_sample_ratio
from routing.experiment.sequence import MIN_UNITS, OneSided, TwoSided
from routing.experiment.sums import ArmSums
from routing.experiment.tally import Sums, over_steps

P95: Final = 0.95

Steps = tuple[ArmSums, ArmSums]
"""Baseline and arm at one step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of one metric. Arm minus baseline, in the metric's own unit."""

    effect: float
    lower: float
    """Negative infinity where nothing is known, as `upper` then is infinite."""
    upper: float
    se: float
    """Infinite where it cannot be known yet."""
    p_value: float
    baseline: float
    """The baseline's value, over the same steps and with the same weights as the arm's."""
    arm: float
    units: tuple[int, int]
    """That have a value, in the baseline and in the arm."""
    is_exact: bool
    """Whether the bounds hold without the approximation for large samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that has been seen of an experiment."""

    matured: Sums
    """With the label metrics as far as there are labels."""
    entered: Sums
    weights: Mapping[int, tuple[int, int]]
    """By step, what was due to the baseline and to the arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A guardrail, with how much is known of it."""

    limit: Limit
    effect: float
    """Arm minus baseline, in the metric's own unit."""
    least_harm: float
    """The one-sided lower bound; negative infinity where too little is known."""
    units: tuple[int, int]

    @property
    def guardrail(self) -> Guardrail:
        """As a ruling takes it."""
        return Guardrail(metric=self.limit.metric, least_harm=self.least_harm, margin=self.limit.margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a look at an experiment shows."""

    ruled: Ruled
    primary: Found | None
    """`None` before both arms have a unit with a value."""
    guardrails: Sequence[Watched]
    sample_ratio: SampleRatio


def judge(contract: Contract, known: Known) -> Findings:
    """Look at what the contract is about, and rule by it."""
    ratio = sample_ratio(known)
    primary = look(contract, contract.primary.metric, known.matured)
    guardrails = [watch(contract, limit, known.entered) for limit in contract.guardrails]
    ruled = _rule(contract, known, primary, guardrails, ratio)
    return Findings(ruled=ruled, primary=primary, guardrails=guardrails, sample_ratio=ratio)


def effects(contract: Contract, sums: Sums) -> dict[MetricName, Found]:
    """Every metric of which something is known in both arms. Takes up to 0.3 s where shares have few events."""
    return {metric: found for metric in MetricName if (found := look(contract, metric, sums)) is not None}


def sample_ratio(known: Known) -> SampleRatio:
    """Whether the arms have the units that were due to them, over all steps.

    By what is there now, and not the worst of all looks: an answer that is slow to come is missing only for a while.
    """
    steps = [
        Counted(known.matured.units[step], weights)
        for step, weights in sorted(known.weights.items())
        if step in known.matured.units
    ]
    return check_sample_ratio(steps) if steps else SampleRatio(p_value=1.0, chi_square_p_value=None)


def look(contract: Contract, metric: MetricName, sums: Sums) -> Found | None:
    """The effect on a metric with its two-sided interval; `None` where an arm has no unit with a value."""
    two, units = _pair(sums, metric)
    if not min(units):
        return None
    is_exact, absolute = _is_rare(sums, metric), two.absolute
    if is_exact:
        lower, upper = Bounded(contract.alpha, contract.planned_units).difference(_unit_shares(sums, metric))
    else:
        sequence = TwoSided(contract.alpha, contract.planned_units)
        reach = float(sequence.half_width(absolute.variance, absolute.units))
        lower, upper = absolute.effect - reach, absolute.effect + reach
    return Found(
        effect=absolute.effect,
        lower=lower,
        upper=upper,
        se=absolute.se,
        p_value=p_value(contract, metric, sums),
        baseline=two.baseline.mean,
        arm=two.arm.mean,
        units=units,
        is_exact=is_exact,
    )


def p_value(contract: Contract, metric: MetricName, sums: Sums) -> float:
    """That of `look`, without its interval, which may take long; 1 where nothing is known."""
    two, units = _pair(sums, metric)
    if not min(units):
        return 1.0
    if _is_rare(sums, metric):
        return Bounded(contract.alpha, contract.planned_units).p_value(_unit_shares(sums, metric))
    absolute, sequence = two.absolute, TwoSided(contract.alpha, contract.planned_units)
    return float(sequence.p_value(absolute.effect, absolute.variance, absolute.units))


def watch(contract: Contract, limit: Limit, sums: Sums) -> Watched:
    """By how much a metric surely got worse."""
    metric, sign, alpha = limit.metric, -_sign(limit.metric), contract.alpha / len(contract.guardrails)
    two, units = _pair(sums, metric)
    if min(units) and _is_rare(sums, metric):
        least = _least_exactly(contract, _unit_shares(sums, metric), sign, alpha)
    elif min(units) < min(MIN_UNITS, contract.min_units):
        least = -inf
    else:
        least = _least(two.absolute, sign, alpha, contract)
    return Watched(limit=limit, effect=two.absolute.effect, least_harm=least, units=units)


def _rule(
    contract: Contract, known: Known, found: Found | None, guardrails: Sequence[Watched], ratio: SampleRatio
) -> Ruled:
    goal = contract.primary
    switch = None if found is None or goal.margin is None else _switch(contract, known, found)
    ruled = rule(
        Evidence(
            primaries=[_primary(goal.metric, found)],
            sample_ratio=ratio,
            units=(0, 0) if found is None else found.units,
            guardrails=[one.guardrail for one in guardrails],
            cost_switch=switch,
            min_units=contract.min_units,
            alpha=contract.alpha,
        )
    )
    return _within_margin(ruled, contract, switch, found)


def _within_margin(ruled: Ruled, contract: Contract, switch: CostSwitch | None, found: Found | None) -> Ruled:
    """A contract with a margin promises no more than to be as good as that, whatever becomes of the cost."""
    if switch is None or found is None or ruled.ruling is not Ruling.WAIT or min(found.units) < contract.min_units:
        return ruled
    if switch.quality_lower <= -switch.margin:
        return ruled
    reason = (
        f"{switch.quality} is worse by less than {max(0.0, -switch.quality_lower):.4g}, where {switch.margin:.4g} "
        "are allowed"
    )
    return Ruled(ruling=Ruling.PROMOTE, reason=reason, numbers=ruled.numbers)


def _primary(metric: MetricName, found: Found | None) -> Primary:
    if found is None:
        return Primary(metric=metric, gain=0.0, lower=-inf, upper=inf, p_value=1.0)
    if _sign(metric) > 0:
        gain, lower, upper = found.effect, found.lower, found.upper
    else:
        gain, lower, upper = -found.effect, -found.upper, -found.lower
    return Primary(metric=metric, gain=gain, lower=lower, upper=upper, p_value=found.p_value)


def _switch(contract: Contract, known: Known, found: Found) -> CostSwitch:
    """That quality may be worse by the margin; and what the arm costs more at most."""
    metric, margin, sign = contract.primary.metric, contract.primary.margin, _sign(contract.primary.metric)
    assert margin is not None
    if found.is_exact:
        lower = found.lower if sign > 0 else -found.upper
    else:
        lower = _least(_pair(known.matured, metric)[0].absolute, sign, contract.alpha, contract)
    cost, _ = _pair(known.matured, MetricName.COST_USD)
    return CostSwitch(
        quality=metric,
        quality_lower=lower,
        margin=margin,
        cost_upper=-_least(cost.absolute, -1, contract.alpha, contract),
    )


def _least_exactly(contract: Contract, steps: Sequence[Steps], sign: int, alpha: float) -> float:
    """The same without an approximation; negative infinity where no difference is sure, which takes no time to see."""
    bounds = Bounded(alpha, contract.planned_units)
    if bounds.p_value(steps) >= alpha:
        return -inf
    low, high = bounds.difference(steps)
    return low if sign > 0 else -high


def _least(effect: Effect, sign: int, alpha: float, contract: Contract) -> float:
    """The one-sided lower bound of an effect times a sign."""
    sequence = OneSided(alpha, contract.planned_units)
    return sign * effect.effect - float(sequence.half_width(effect.variance, effect.units))


def _quantiles(steps: Iterable[tuple[Ranked, Ranked]]) -> Pair:
    """p95 of both arms, each step with the weight that it has for means."""
    told: list[tuple[float, Estimate, Estimate]] = []
    for baseline, arm in steps:
        one, other = quantile(baseline, P95), quantile(arm, P95)
        if one is not None and other is not None:
            told.append((baseline.n * arm.n / (baseline.n + arm.n), one, other))
    total = sum(weight for weight, _, _ in told)
    if not total:
        unknown = Estimate(mean=0.0, variance=inf)
        return Pair(baseline=unknown, arm=unknown, units=0.0)
    return Pair(
        baseline=_mix([(weight / total, one) for weight, one, _ in told]),
        arm=_mix([(weight / total, other) for weight, _, other in told]),
        units=4 * total,
    )


def _mix(weighed: Sequence[tuple[float, Estimate]]) -> Estimate:
    return Estimate(
        mean=sum(share * one.mean for share, one in weighed),
        variance=sum(share**2 * one.variance for share, one in weighed),
    )


def _pair(sums: Sums, metric: MetricName) -> tuple[Pair, tuple[int, int]]:
    """Both arms, step by step combined, and how many units in each have a value."""
    if metric is MetricName.LATENCY_P95_MS:
        ranked = sums.latencies.values()
        return _quantiles(ranked), (sum(one.n for one, _ in ranked), sum(other.n for _, other in ranked))
    strata = sums.strata.get(metric, {}).values()
    whole = over_steps(strata)
    two = stratified([(one.baseline.requests, one.arm.requests) for one in strata])
    return two, (whole.baseline.requests.n, whole.arm.requests.n)


def _is_rare(sums: Sums, metric: MetricName) -> bool:
    if metric not in SHARES:
        return False
    whole = over_steps(sums.strata.get(metric, {}).values())
    return has_few_events(whole.baseline.units) or has_few_events(whole.arm.units)


def _unit_shares(sums: Sums, metric: MetricName) -> list[Steps]:
    return [(one.baseline.units, one.arm.units) for one in sums.strata[metric].values()]


def _sign(metric: MetricName) -> int:
    return 1 if metric in IS_HIGHER_BETTER else -1
