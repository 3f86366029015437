"""The difference between two arms, with its variance: in one go, or step by step of a ramp.

While the split changes and success drifts, the arms have their units at different times, and their plain means differ
although nothing does. So a unit belongs to the step at which it entered, arms are compared within each step, and the
differences are combined. Each step weighs n_baseline n_arm / (n_baseline + n_arm): about what it can tell, and known
without looking at any value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

from routing.experiment.sums import ArmSums


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A difference, how uncertain it is, and out of how much."""

    effect: float
    """Arm minus baseline."""
    variance: float
    """Of the effect; infinite where it cannot be known yet."""
    units: float
    """The N of a sequence."""

    @property
    def se(self) -> float:
        """The standard error."""
        return sqrt(self.variance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric of one arm, with the variance of that mean."""

    mean: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two arms that were measured alike."""

    baseline: Estimate
    arm: Estimate
    units: float

    @property
    def absolute(self) -> Effect:
        """Arm minus baseline."""
        return Effect(
            effect=self.arm.mean - self.baseline.mean,
            variance=self.arm.variance + self.baseline.variance,
            units=self.units,
        )

    @property
    def relative(self) -> Effect | None:
        """The difference as a share of the baseline's size, by the delta method; `None` where the baseline is 0."""
        base = abs(self.baseline.mean)
        if base == 0 or inf in (self.arm.variance, self.baseline.variance):
            return None
        return Effect(
            effect=(self.arm.mean - self.baseline.mean) / base,
            variance=self.arm.variance / base**2 + self.baseline.variance * self.arm.mean**2 / base**4,
            units=self.units,
        )


def pooled_theta(arms: Sequence[ArmSums]) -> float:
    """How a metric goes with the units' values from before, over all arms; 0 where there are none.

    CUPED (Deng, Xu, Kohavi and Walker, WSDM 2013): what was already so before the experiment is taken off, which
    leaves 1 - correlation^2 of the variance.
    """
    spread = sum(arm.spread_before for arm in arms)
    return sum(arm.spread_with_before for arm in arms) / spread if spread > 0 else 0.0


def pair(baseline: ArmSums, arm: ArmSums, theta: float = 0.0) -> Pair:
    """Two arms over one and the same time, with an unchanged split; N is the number of their units."""
    # Any centre would do for the difference; that of both keeps the means near the plain ones.
    n = baseline.n + arm.n
    centre = (baseline.x + arm.x) / n if n else 0.0
    return Pair(baseline=_estimate(baseline, theta, centre), arm=_estimate(arm, theta, centre), units=n)


def stratified(steps: Sequence[tuple[ArmSums, ArmSums]], theta: float = 0.0) -> Pair:
    """Baseline and arm of every step of a ramp, combined.

    N counts what the steps can tell: 4 n_baseline n_arm / (n_baseline + n_arm), which is the number of units at equal
    shares and less at others. Only so does N grow with the information, as a sequence demands of it, when a ramp goes
    on. Steps with fewer than two units in either arm are left out; they do not say how much units differ.

    Args:
        steps: (baseline, arm) of each; the order does not matter.
        theta: of CUPED, pooled over all arms and steps.
    """
    told = [(baseline, arm) for baseline, arm in steps if min(baseline.n, arm.n) >= 2]
    weights = [baseline.n * arm.n / (baseline.n + arm.n) for baseline, arm in told]
    total = sum(weights)
    if not total:
        unknown = Estimate(mean=0.0, variance=inf)
        return Pair(baseline=unknown, arm=unknown, units=0.0)
    pairs = [pair(baseline, arm, theta) for baseline, arm in told]
    shares = [weight / total for weight in weights]
    return Pair(
        baseline=_mix([one.baseline for one in pairs], shares),
        arm=_mix([one.arm for one in pairs], shares),
        units=4 * total,
    )


def _estimate(arm: ArmSums, theta: float, centre: float) -> Estimate:
    return Estimate(mean=arm.mean - theta * (arm.mean_before - centre), variance=arm.variance(theta))


def _mix(estimates: Sequence[Estimate], shares: Sequence[float]) -> Estimate:
    weighed = list(zip(estimates, shares, strict=True))
    return Estimate(
        mean=sum(share * one.mean for one, share in weighed),
        variance=sum(share**2 * one.variance for one, share in weighed),
    )
