"""May an arm take over? The rule that an experiment was started under, applied to what is known now.

| ruling | when, the first that holds |
| --- | --- |
| `roll_back` | a guardrail is surely hurt by more than its margin |
| `blocked` | the arms did not get the units that they should have |
| `wait` | too few units in an arm |
| `roll_back` | a primary metric is surely worse, unless quality within its margin is what was asked for |
| `promote` | a primary metric is surely better; or quality is within its margin and cost surely lower |
| `wait` | anything else |

All bounds are of sequences that hold at all times, so it may be asked as often as one likes, and it never has to wait
for more to roll back. A guardrail counts even if the sample ratio is off: what hurts is stopped first, and explained
later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from routing.experiment.multiplicity import holm
from routing.experiment.sample_ratio import ALARM, SampleRatio
from routing.experiment.sequence import ALPHA, MIN_UNITS


class Ruling(StrEnum):
    """What is to be done now."""

    PROMOTE = "promote"
    WAIT = "wait"
    BLOCKED = "blocked"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """What is known of a metric that the experiment is about. Improvements are positive, whatever the goal."""

    metric: str
    gain: float
    lower: float
    upper: float
    p_value: float
    """Of the same two-sided sequence as the bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """What is known of a metric that must not get worse by more than a margin. Harm is positive."""

    metric: str
    least_harm: float
    """The one-sided lower bound, at alpha over the number of guardrails."""
    margin: float
    """At least 0."""

    @property
    def is_breached(self) -> bool:
        """Whether it is surely hurt by more than the margin."""
        return self.least_harm > self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSwitch:
    """An arm that may take over because it is cheaper, as long as quality holds."""

    quality: str
    """The metric that has to hold."""
    quality_lower: float
    """The one-sided lower bound of its gain."""
    margin: float
    """By how much it may be worse, above 0."""
    cost_upper: float
    """The one-sided upper bound of what it costs more than the baseline; negative where it is surely cheaper."""

    @property
    def holds(self) -> bool:
        """Whether quality is within the margin and cost lower."""
        return self.quality_lower > -self.margin and self.cost_upper < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a ruling looks at."""

    primaries: Sequence[Primary]
    """At least one."""
    sample_ratio: SampleRatio
    units: tuple[int, int]
    """Matured, in the baseline and in the arm; of a label metric those with a label."""
    guardrails: Sequence[Guardrail] = ()
    cost_switch: CostSwitch | None = None
    min_units: int = MIN_UNITS
    """An arm."""
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        if not self.primaries:
            raise ValueError("an experiment needs a primary metric")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """A ruling with what made it."""

    ruling: Ruling
    reason: str
    """A sentence."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Every figure that was looked at, by a name of its own."""


def rule(evidence: Evidence) -> Ruled:
    """Apply the rule."""
    ruling, reason = _rule(evidence)
    return Ruled(ruling=ruling, reason=reason, numbers=_numbers(evidence))


def _rule(evidence: Evidence) -> tuple[Ruling, str]:
    breached = [one for one in evidence.guardrails if one.is_breached]
    if breached:
        worst = max(breached, key=lambda one: one.least_harm - one.margin)
        return Ruling.ROLL_BACK, (
            f"{worst.metric} is worse by at least {worst.least_harm:.4g}, where {worst.margin:.4g} are allowed"
        )
    if evidence.sample_ratio.is_off:
        return Ruling.BLOCKED, (
            f"the arms did not get the units that were due to them (p = {evidence.sample_ratio.p_value:.2g}, "
            f"below {ALARM:g})"
        )
    if min(evidence.units) < evidence.min_units:
        return Ruling.WAIT, f"{min(evidence.units)} units in an arm, where {evidence.min_units} are needed"
    return _rule_on_primaries(evidence)


def _rule_on_primaries(evidence: Evidence) -> tuple[Ruling, str]:
    adjusted = holm([one.p_value for one in evidence.primaries])
    sure = [one for one, p in zip(evidence.primaries, adjusted, strict=True) if p < evidence.alpha]
    worse = [one for one in sure if one.upper < 0 and not _is_tolerated(one, evidence.cost_switch)]
    if worse:
        return Ruling.ROLL_BACK, f"{worse[0].metric} is worse: {_interval(worse[0])}"
    better = [one for one in sure if one.lower > 0]
    if better:
        return Ruling.PROMOTE, f"{better[0].metric} is better: {_interval(better[0])}"
    switch = evidence.cost_switch
    if switch is not None and switch.holds:
        return Ruling.PROMOTE, (
            f"{switch.quality} is worse by less than {max(0.0, -switch.quality_lower):.4g}, where {switch.margin:.4g} "
            f"are allowed, and it costs less by at least {-switch.cost_upper:.4g}"
        )
    first = evidence.primaries[0]
    return Ruling.WAIT, f"{first.metric}: {_interval(first)}, which settles nothing yet"


def _is_tolerated(primary: Primary, switch: CostSwitch | None) -> bool:
    # Who said that quality may be worse by a margin is not to be told that it is worse by less.
    return switch is not None and primary.metric == switch.quality and primary.upper > -switch.margin


def _interval(primary: Primary) -> str:
    return f"{primary.gain:+.4g} ({primary.lower:+.4g} to {primary.upper:+.4g})"


def _numbers(evidence: Evidence) -> dict[str, float]:
    numbers: dict[str, float] = {
        "units_baseline": evidence.units[0],
        "units_arm": evidence.units[1],
        "min_units": evidence.min_units,
        "alpha": evidence.alpha,
        "srm_pvalue": evidence.sample_ratio.p_value,
    }
    for one in evidence.primaries:
        numbers |= {
            f"{one.metric}.gain": one.gain,
            f"{one.metric}.lower": one.lower,
            f"{one.metric}.upper": one.upper,
            f"{one.metric}.pvalue": one.p_value,
        }
    for guardrail in evidence.guardrails:
        numbers |= {
            f"guardrail.{guardrail.metric}.least_harm": guardrail.least_harm,
            f"guardrail.{guardrail.metric}.margin": guardrail.margin,
        }
    if (switch := evidence.cost_switch) is not None:
        numbers |= {
            "cost_switch.quality_lower": switch.quality_lower,
            "cost_switch.margin": switch.margin,
            "cost_switch.cost_upper": switch.cost_upper,
        }
    return numbers
