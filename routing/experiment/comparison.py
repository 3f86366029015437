"""Several arms against one of them, on one metric: effects, the sample ratio, and what may be concluded.

| decision | when |
| --- | --- |
| `invalid` | the arms did not get the units that they should have |
| `better` | an arm differs from the baseline in the direction of the goal |
| `non_inferior` | none does, but one is not worse by as much as the margin |
| `worse` | all of them differ from it in the other direction |
| `undecided` | anything else; among it fewer than 100 units in an arm |

Over several arms the p-values are adjusted (Holm), and the margin is tested at alpha over their number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf, isfinite

from routing.experiment.bounded import Bounded, has_few_events
from routing.experiment.effects import Effect, pair, pooled_theta
from routing.experiment.multiplicity import holm
from routing.experiment.sample_ratio import ALARM, Counted, SampleRatio, check_sample_ratio
from routing.experiment.sequence import ALPHA, MIN_UNITS, PLANNED_UNITS, OneSided, TwoSided, check_settings
from routing.experiment.sums import ArmSums


class Direction(StrEnum):
    """Which direction is better."""

    MAX = "max"
    MIN = "min"

    @property
    def sign(self) -> int:
        """What makes an effect an improvement where it is positive."""
        return 1 if self is Direction.MAX else -1


class Decision(StrEnum):
    """What may be concluded."""

    BETTER = "better"
    WORSE = "worse"
    NON_INFERIOR = "non_inferior"
    UNDECIDED = "undecided"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed before anybody looked."""

    goal: Direction = Direction.MAX
    alpha: float = ALPHA
    """How often a difference may be seen where there is none, ever; in (0, 0.5)."""
    planned_units: float = PLANNED_UNITS
    """In two arms together."""
    margin: float | None = None
    """By how much an arm may be worse and still do, in the unit of the metric, above 0."""
    is_binary: bool = False
    """Whether every unit's value is 0 or 1; then few events get exact bounds."""

    def __post_init__(self) -> None:
        check_settings(self.alpha, self.planned_units)
        if self.margin is not None and not 0 < self.margin < inf:
            raise ValueError(
                f"the margin must be above 0, not {self.margin:g}: it says by how much an arm may be worse"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A difference with what is sure about it."""

    effect: float
    lower: float
    """Negative infinity where nothing is known, as `upper` then is infinite."""
    upper: float
    se: float
    """Infinite where it cannot be known yet."""
    p_value: float
    """Always-valid, against no difference, at this look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEffect:
    """One arm against the baseline."""

    arm: str
    absolute: Measured
    relative: Measured | None
    """As a share of the baseline's size; `None` where that is 0 or unknown."""
    shortfall: float
    """By how much the arm may be worse, in the direction of the goal, one-sided; infinite where nothing is known."""
    is_exact: bool
    """Whether the bounds hold without the approximation for large samples."""
    has_enough: bool
    """Whether both arms have the units to conclude anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The result."""

    baseline: str
    arms: Mapping[str, ArmSums]
    effects: tuple[ArmEffect, ...]
    sample_ratio: SampleRatio
    decision: Decision
    reason: str
    """A sentence."""


def compare_arms(
    arms: Mapping[str, ArmSums], baseline: str, terms: Terms, weights: Mapping[str, float] | None = None
) -> Comparison:
    """Compare every arm with the baseline.

    Args:
        arms: two or more; a value from before switches CUPED on.
        baseline: one of them.
        terms: what was agreed.
        weights: what share of the units was due to each arm, on any scale; absent: the same. An arm that is named here
            alone has no units.

    Raises:
        ValueError: fewer than two arms, an unknown baseline, or an arm without a weight.
    """
    others = [name for name in arms if name != baseline]
    if baseline not in arms or not others:
        raise ValueError("a comparison needs a baseline and another arm")
    due = dict.fromkeys(arms, 1.0) if weights is None else dict(weights)
    if missing := [name for name in arms if name not in due]:
        raise ValueError(f"arm {missing[0]} has units but no weight")
    counts = tuple(arms[name].n if name in arms else 0 for name in due)
    ratio = check_sample_ratio([Counted(counts, tuple(due.values()))])
    theta = pooled_theta(list(arms.values()))
    effects = tuple(_against(arms[baseline], name, arms[name], theta, terms, len(others)) for name in others)
    decision, reason = _decide(effects, ratio, baseline, terms)
    return Comparison(
        baseline=baseline, arms=arms, effects=effects, sample_ratio=ratio, decision=decision, reason=reason
    )


def _against(base: ArmSums, name: str, arm: ArmSums, theta: float, terms: Terms, arms: int) -> ArmEffect:
    two = pair(base, arm, theta)
    relative = two.relative
    is_exact = terms.is_binary and not theta and (has_few_events(base) or has_few_events(arm))
    if is_exact:
        absolute, share, shortfall = _exactly(base, arm, two.absolute, relative, terms, arms)
    else:
        sequence = TwoSided(terms.alpha, terms.planned_units)
        absolute = _approximately(two.absolute, sequence)
        share = None if relative is None else _approximately(relative, sequence)
        one_sided = OneSided(terms.alpha / arms, terms.planned_units)
        reach = float(one_sided.half_width(two.absolute.variance, two.absolute.units))
        shortfall = reach - terms.goal.sign * two.absolute.effect
    return ArmEffect(
        arm=name,
        absolute=absolute,
        relative=share,
        shortfall=shortfall,
        is_exact=is_exact,
        has_enough=min(base.n, arm.n) >= MIN_UNITS,
    )


def _approximately(effect: Effect, sequence: TwoSided) -> Measured:
    reach = float(sequence.half_width(effect.variance, effect.units))
    return Measured(
        effect=effect.effect,
        lower=effect.effect - reach,
        upper=effect.effect + reach,
        se=effect.se,
        p_value=float(sequence.p_value(effect.effect, effect.variance, effect.units)),
    )


def _exactly(
    base: ArmSums, arm: ArmSums, absolute: Effect, relative: Effect | None, terms: Terms, arms: int
) -> tuple[Measured, Measured | None, float]:
    bounds, steps = Bounded(terms.alpha, terms.planned_units), [(base, arm)]
    p_value = bounds.p_value(steps)
    low, high = bounds.difference(steps)
    found = Measured(effect=absolute.effect, lower=low, upper=high, se=absolute.se, p_value=p_value)
    if arms > 1:
        low, high = Bounded(terms.alpha / arms, terms.planned_units).difference(steps)
    shortfall = -low if terms.goal is Direction.MAX else high
    if relative is None:
        return found, None, shortfall
    low, high = bounds.relative(base, arm)
    return found, Measured(effect=relative.effect, lower=low, upper=high, se=relative.se, p_value=p_value), shortfall


def _decide(effects: Sequence[ArmEffect], ratio: SampleRatio, baseline: str, terms: Terms) -> tuple[Decision, str]:
    if ratio.is_off:
        return Decision.INVALID, (
            f"the arms did not get the units that were due to them (p = {ratio.p_value:.2g}, below {ALARM:g}): "
            "something decided which units are here, so no difference can be trusted"
        )
    ready = [one for one in effects if one.has_enough]
    if not ready:
        return Decision.UNDECIDED, f"fewer than {MIN_UNITS} units in an arm: too few to conclude anything"
    adjusted = holm([one.absolute.p_value for one in effects])
    sure = {one.arm for one, p in zip(effects, adjusted, strict=True) if p < terms.alpha and one.has_enough}
    gain = {one.arm: terms.goal.sign * one.absolute.effect for one in effects}
    better = [one for one in ready if one.arm in sure and gain[one.arm] > 0]
    if better:
        return Decision.BETTER, _sentence(max(better, key=lambda one: gain[one.arm]), "is better than", baseline)
    worse = [one for one in ready if one.arm in sure and gain[one.arm] < 0]
    if terms.margin is not None:
        within = [one for one in ready if one.shortfall < terms.margin]
        if within:
            best = max(within, key=lambda one: gain[one.arm])
            verb = "is worse, but by less than the margin, than" if best in worse else "is not inferior to"
            return Decision.NON_INFERIOR, (
                f"{_sentence(best, verb, baseline)}; worse by less than {_number(best.shortfall)}, "
                f"where {terms.margin:g} are allowed"
            )
    if len(worse) == len(effects):
        return Decision.WORSE, _sentence(max(worse, key=lambda one: gain[one.arm]), "is worse than", baseline)
    return Decision.UNDECIDED, _open_question(effects, terms)


def _open_question(effects: Sequence[ArmEffect], terms: Terms) -> str:
    best = max(effects, key=lambda one: terms.goal.sign * one.absolute.effect)
    if not isfinite(best.absolute.upper - best.absolute.lower):
        return f"the values of {best.arm} and the baseline do not vary, so nothing says how sure their difference is"
    found = f"{best.arm}: {_interval(best.absolute)}, which leaves open whether there is a difference"
    if not best.absolute.lower <= 0 <= best.absolute.upper:
        found = f"{best.arm}: {_interval(best.absolute)}, which is not enough among {len(effects)} arms"
    if terms.margin is not None:
        found += f"; it may be worse by {_number(best.shortfall)}, where {terms.margin:g} are allowed"
    return found


def _sentence(one: ArmEffect, verb: str, baseline: str) -> str:
    return f"{one.arm} {verb} {baseline}: {_interval(one.absolute)}"


def _interval(found: Measured) -> str:
    return f"{found.effect:+.4g} ({found.lower:+.4g} to {found.upper:+.4g})"


def _number(value: float) -> str:
    return f"{max(0.0, value):.4g}"
