"""An adaptive experiment: which of several arms is the best, while more units go to those that may be.

Units are divided anew in batches. Within a batch everybody has the same chance of an arm, whatever was seen before, and
one over that chance is the same for all units of the arm: so weighing by it (Horvitz and Thompson 1952) is to compare
arms within each batch. Batches are combined as the steps of a ramp are (`effects`), each by about what it can tell,
which keeps the variance in hand where plain weighing would let few units of a neglected arm count for many (Hadad,
Hirshberg, Zhan, Wager and Athey, PNAS 118(15), 2021). What is sure is then as sure as in any other experiment: sums of
differences that are 0 on average given all before, which is all that the sequences ask for.

| ruling | when, the first that holds |
| --- | --- |
| `roll_back` | a guardrail is surely hurt by more than its margin, by any candidate |
| `blocked` | the arms did not get the units that were due to them |
| `wait` | too few units in an arm |
| `promote` | a candidate is surely better than every other arm |
| `roll_back` | the baseline is |
| `wait` | anything else |

Each of K arms is compared with the K - 1 others at alpha over K - 1: to name a wrong one as the best, its comparison
with the true best would have to be wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

from routing.experiment.advance import Move, MoveKind, state_words, stop_words
from routing.experiment.contract import IS_HIGHER_BETTER, SHARES, Contract, ExperimentMode, ExperimentState, Progress
from routing.experiment.effects import Estimate
from routing.experiment.measures import Found, Known, Watched, look, watch
from routing.experiment.ruling import Ruling
from routing.experiment.sample_ratio import ALARM, Counted, SampleRatio, check_sample_ratio
from routing.experiment.sequence import MIN_UNITS
from routing.experiment.sums import ArmSums
from routing.experiment.top_two import shares
from routing.words import ModelName

BATCH_UNITS: Final = 20
"""Units an arm that have to enter before units are divided anew: the differences within a batch rest on them."""
LEAST_CHANGE: Final = 100
"""Hundredths of a percent: by less no arm's share is changed, since whoever is moved stays behind."""

Pairs = Callable[[ModelName, ModelName], Known]
"""What is known of two arms, of which the first takes the baseline's place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """What a look at an adaptive experiment shows."""

    estimates: Mapping[ModelName, Estimate]
    """Each arm's mean, each unit weighed by one over its chance of that arm; of unknown variance before 100 units an
    arm."""
    effects: Mapping[ModelName, Found]
    """Of each candidate against the baseline, at alpha over their number, as far as it is known."""
    guardrails: Mapping[ModelName, Sequence[Watched]]
    sample_ratio: SampleRatio
    ruling: Ruling
    arm: ModelName | None
    """Who is to get everything, should it end now: the best, or that which is surely better than the baseline."""
    reason: str
    numbers: Mapping[str, float]


def judge_arms(contract: Contract, pair: Pairs, batches: Sequence[Counted]) -> Arms:
    """Look at every arm.

    Args:
        contract: of an adaptive experiment.
        pair: what is known of any two of its arms; steps are batches.
        batches: matured units of every arm in the contract's order, and what was due to them, batch by batch.
    """
    strict = replace(contract, alpha=contract.alpha / len(contract.candidates))
    against = {
        arm: look(strict, contract.primary.metric, pair(contract.baseline, arm).matured) for arm in contract.candidates
    }
    effects = {arm: found for arm, found in against.items() if found is not None}
    guardrails = {
        arm: [watch(strict, limit, pair(contract.baseline, arm).entered) for limit in contract.guardrails]
        for arm in contract.candidates
    }
    estimates = arm_estimates(contract, pair)
    ratio = _sample_ratio(batches)
    ruling, arm, reason = _rule(strict, pair, effects, guardrails, ratio)
    return Arms(
        estimates=estimates,
        effects=effects,
        guardrails=guardrails,
        sample_ratio=ratio,
        ruling=ruling,
        arm=arm,
        reason=reason,
        numbers=_numbers(contract, effects, estimates, guardrails, ratio),
    )


def move_on(
    contract: Contract, progress: Progress, arms: Arms, in_force: Mapping[ModelName, int], *, now_us: int, entered: int
) -> Move:
    """What becomes of it.

    Args:
        contract: what was promised.
        progress: how far it has come.
        arms: what was seen.
        in_force: how units are divided now, in hundredths of a percent.
        now_us: UTC microseconds since 1970.
        entered: units in the batch so far, in the arm that has the fewest.
    """
    if progress.state is not ExperimentState.RUNNING:
        return Move(kind=MoveKind.STAY, reason=f"it is {state_words(progress)}", is_acted_on=False)
    move = _running(contract, progress, arms, in_force, (now_us, entered))
    is_acted_on = move.kind is not MoveKind.STAY and contract.mode is ExperimentMode.AUTO
    return replace(move, is_acted_on=is_acted_on)


def arm_estimates(contract: Contract, pair: Pairs) -> dict[ModelName, Estimate]:
    """Each arm's mean over the batches that tell something of all of them, every batch by its units."""
    sums = {contract.baseline: _by_batch(contract, pair(contract.baseline, contract.candidate), is_first=True)}
    sums |= {arm: _by_batch(contract, pair(contract.baseline, arm), is_first=False) for arm in contract.candidates}
    told = [step for step in sums[contract.baseline] if min(sums[arm].get(step, ArmSums()).n for arm in sums) >= 2]
    sizes = {step: sum(sums[arm][step].n for arm in sums) for step in told}
    fewest = min(sum(sums[arm][step].n for step in told) for arm in sums)
    if fewest < MIN_UNITS:
        return dict.fromkeys(sums, Estimate(mean=0.0, variance=inf))
    return {arm: _weighed(contract, [(sizes[step], found[step]) for step in told]) for arm, found in sums.items()}


def _weighed(contract: Contract, batches: Sequence[tuple[int, ArmSums]]) -> Estimate:
    total, n = sum(size for size, _ in batches), sum(one.n for _, one in batches)
    mean = sum(size / total * one.mean for size, one in batches)
    variance = sum((size / total) ** 2 * one.variance() for size, one in batches)
    if contract.primary.metric in SHARES:
        # As if of two more units one had been a success: nobody is known for sure by never having failed yet.
        likely = (min(max(0.0, mean), 1.0) * n + 1) / (n + 2)
        variance = max(variance, likely * (1 - likely) / n)
    return Estimate(mean=mean, variance=variance)


def _by_batch(contract: Contract, known: Known, *, is_first: bool) -> dict[int, ArmSums]:
    strata = known.matured.strata.get(contract.primary.metric, {})
    return {step: (one.baseline if is_first else one.arm).requests for step, one in strata.items()}


def _sample_ratio(batches: Sequence[Counted]) -> SampleRatio:
    """Over all batches at once, against the sum of what was due: a batch alone is too small to tell."""
    if not any(sum(one.units) for one in batches):
        return SampleRatio(p_value=1.0, chi_square_p_value=None)
    units = [0] * len(batches[0].units)
    due = [0.0] * len(units)
    for batch in batches:
        for at, (count, share) in enumerate(batch.due):
            units[at] += count
            due[at] += share * sum(batch.units)
    return check_sample_ratio([Counted(tuple(units), tuple(due))])


def _rule(
    strict: Contract,
    pair: Pairs,
    effects: Mapping[ModelName, Found],
    guardrails: Mapping[ModelName, Sequence[Watched]],
    ratio: SampleRatio,
) -> tuple[Ruling, ModelName | None, str]:
    for arm, watched in guardrails.items():
        for one in watched:
            if one.guardrail.is_breached:
                return (
                    Ruling.ROLL_BACK,
                    None,
                    f"{one.guardrail.metric} of {arm} is worse by at least {one.least_harm:.4g}, where "
                    f"{one.limit.margin:.4g} are allowed",
                )
    if ratio.is_off:
        return (
            Ruling.BLOCKED,
            None,
            (f"the arms did not get the units that were due to them (p = {ratio.p_value:.2g}, below {ALARM:g})"),
        )
    fewest = min(min(found.units) for found in effects.values()) if len(effects) == len(strict.candidates) else 0
    if fewest < strict.min_units:
        return Ruling.WAIT, None, f"{fewest} units in an arm, where {strict.min_units} are needed"
    return _rule_on_primary(strict, pair, effects)


def _rule_on_primary(
    strict: Contract, pair: Pairs, effects: Mapping[ModelName, Found]
) -> tuple[Ruling, ModelName | None, str]:
    metric, sign = strict.primary.metric, _sign(strict)
    gains = {arm: sign * found.effect for arm, found in effects.items()}
    best = max(gains, key=lambda arm: gains[arm])
    if all(_surely(strict, found) < 0 for found in effects.values()):
        return Ruling.ROLL_BACK, None, f"{strict.baseline} is better in {metric} than every candidate"
    if _surely(strict, effects[best]) <= 0:
        return Ruling.WAIT, None, f"{metric} of {best}: {_interval(effects[best])}, which settles nothing yet"
    rivals = [arm for arm in strict.candidates if arm != best]
    found = {arm: look(strict, metric, pair(arm, best).matured) for arm in rivals}
    open_ones = [arm for arm, one in found.items() if one is None or _surely(strict, one) <= 0]
    if open_ones:
        return (
            Ruling.WAIT,
            best,
            f"{best} is better in {metric} than {strict.baseline}, but not surely than {open_ones[0]}",
        )
    return Ruling.PROMOTE, best, f"{best} is better in {metric} than every other arm: {_interval(effects[best])}"


def _surely(strict: Contract, found: Found) -> int:
    """1 where the arm is surely better, -1 where it is surely worse, 0 where that is open."""
    if found.p_value >= strict.alpha:
        return 0
    return _sign(strict) * (int(found.lower > 0) - int(found.upper < 0))


def _running(
    contract: Contract, progress: Progress, arms: Arms, in_force: Mapping[ModelName, int], now: tuple[int, int]
) -> Move:
    now_us, entered = now
    left_us = progress.step_since_us + contract.soak_us - now_us
    if arms.ruling is Ruling.ROLL_BACK:
        return _made(MoveKind.ROLL_BACK, arms.reason)
    if arms.ruling is Ruling.PROMOTE and left_us <= 0:
        return _made(MoveKind.PROMOTE, arms.reason, arms.arm)
    if now_us >= contract.stop_us:
        return _at_the_stop(contract, arms)
    if arms.ruling is Ruling.BLOCKED:
        return _made(MoveKind.STAY, arms.reason)
    if left_us > 0:
        return _made(MoveKind.STAY, f"this batch has to last {left_us / 1e6:.0f} s longer")
    if entered < BATCH_UNITS:
        return _made(MoveKind.STAY, f"{entered} units in an arm of this batch, where {BATCH_UNITS} are needed")
    return _divide(contract, arms, in_force)


def _at_the_stop(contract: Contract, arms: Arms) -> Move:
    if arms.arm is not None:
        return _made(MoveKind.PROMOTE, f"at the stop date, {stop_words(contract)}: {arms.reason}", arms.arm)
    reason = f"the stop date, {stop_words(contract)}, has come without a verdict: {arms.reason}"
    return _made(MoveKind.INCONCLUSIVE, reason)


def _made(kind: MoveKind, reason: str, arm: ModelName | None = None) -> Move:
    return Move(kind=kind, reason=reason, arm=arm, is_acted_on=False)


def _divide(contract: Contract, arms: Arms, in_force: Mapping[ModelName, int]) -> Move:
    estimates = [arms.estimates[arm] for arm in contract.arms]
    wanted = dict(zip(contract.arms, shares(estimates, _sign(contract)), strict=True))
    if max(abs(wanted[arm] - in_force.get(arm, 0)) for arm in contract.arms) < LEAST_CHANGE:
        return Move(kind=MoveKind.STAY, reason=f"units stay divided as they are: {arms.reason}", is_acted_on=False)
    words = ", ".join(f"{arm} {share / 100:g} %" for arm, share in wanted.items())
    return Move(kind=MoveKind.ALLOCATE, reason=f"by what was seen: {words}", shares=wanted, is_acted_on=False)


def _numbers(
    contract: Contract,
    effects: Mapping[ModelName, Found],
    estimates: Mapping[ModelName, Estimate],
    guardrails: Mapping[ModelName, Sequence[Watched]],
    ratio: SampleRatio,
) -> dict[str, float]:
    numbers: dict[str, float] = {"alpha": contract.alpha, "min_units": contract.min_units, "srm_pvalue": ratio.p_value}
    for arm, one in estimates.items():
        numbers |= {f"{arm}.mean": one.mean, f"{arm}.variance": one.variance}
    for arm, found in effects.items():
        numbers |= {
            f"{arm}.effect": found.effect,
            f"{arm}.lower": found.lower,
            f"{arm}.upper": found.upper,
            f"{arm}.pvalue": found.p_value,
            f"{arm}.units": found.units[1],
        }
    for arm, watched in guardrails.items():
        for each in watched:
            numbers[f"{arm}.guardrail.{each.limit.metric}.least_harm"] = each.least_harm
            numbers[f"{arm}.guardrail.{each.limit.metric}.margin"] = each.limit.margin
    return numbers


def _sign(contract: Contract) -> int:
    return 1 if contract.primary.metric in IS_HIGHER_BETTER else -1


def _interval(found: Found) -> str:
    return f"{found.effect:+.4g} ({found.lower:+.4g} to {found.upper:+.4g})"
