"""What a route saves against the large model alone, estimated from requests that both have answered.

The large model alone would have been paid for every request. For those that it did answer, that is known: what it was
paid. For those that an arm answered it is estimated from pairs: requests whose answer an audit or a shadow also had
from the large model. Neither its answers nor its tokens are as many as the arm's, so what is compared is what the two
were billed, by a ratio estimator (Cochran, Sampling Techniques, 3rd edition, 1977, chapter 6), with weights of one over
the chance of each pair (Horvitz and Thompson, 1952):

    ratio     R = sum(w large) / sum(w arm)
    estimate  R * (what arms were billed for all requests that they answered)
    variance  (all / sum(w arm))^2 * n / (n - 1) * sum(w^2 (large - R arm)^2)    by the delta method

Where arms are billed nothing, requests are counted in place of money. It is assumed that which of the drawn requests
were not asked (no money left for the day, no room, an outage) has nothing to do with the ratio, and that the large
model would have been as often asked again. Requests that nobody answered are left out of the large model's bill, though
not of what was paid.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import isqrt
from typing import Final

from routing.cost.ledger import Line
from routing.cost.prices import half_even
from routing.words import ModelName, Purpose

MIN_PAIRS: Final = 30
"""With fewer nothing is said: the normal approximation of the interval is not to be trusted."""
_Z: Final = Fraction(1_959_964, 1_000_000)
"""Two-sided 95 %."""
SERVING: Final = (Purpose.SERVE.value, Purpose.DRAFT.value, Purpose.FALLBACK.value)
"""What it takes to answer clients. All other purposes are for knowing more."""


class Unknown(StrEnum):
    """Why it cannot be said what was saved."""

    NO_LARGE = "no_large"
    """The route has no fallback, so nobody to be compared with."""
    NO_REQUESTS = "no_requests"
    UNPRICED = "unpriced"
    """Tokens were used whose price is unknown."""
    FEW_PAIRS = "few_pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Sums over requests that an arm answered and the large model too. `w` is one over the chance of the pair."""

    n: int
    weight: float
    """Sum of w."""
    arm: float
    """Sum of w times what the arm was billed, in nano-dollars, as those below."""
    large: float
    squares_weight: float
    """Sum of w², and of w² times the products of the two bills that follow."""
    squares_arm: float
    squares_large: float
    products: float
    """Arm times large."""
    by_weight_arm: float
    """w² arm."""
    by_weight_large: float
    arm_input: float
    """Sum of w times the tokens of the prompt, as the arm counts them; and so on."""
    large_input: float
    arm_output: float
    large_output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with a 95 % interval, in nano-dollars."""

    value: int
    lower: int
    upper: int

    def shifted(self, by: int, sign: int = 1) -> "Estimate":
        """`by` plus (or less, with -1) this one."""
        ends = sorted((by + sign * self.lower, by + sign * self.upper))
        return Estimate(value=by + sign * self.value, lower=ends[0], upper=ends[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What a route was billed, in nano-dollars, exactly."""

    requests: int
    """That reached a model."""
    serving: int
    beside: int
    """For audits, shadows and judges."""
    arms_answered: int
    """Requests that an arm other than the large model answered."""
    arms_billed: int
    """For these answers."""
    large_answered: int
    large_billed: int
    """For the answers of the large model that clients got."""
    unpriced: int
    """Attempts that were needed to answer and whose price is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """What was saved, where that can be said."""

    alone: Estimate
    """What the large model alone would have cost."""
    saved: Estimate
    """That, less what was paid to answer clients."""
    net: Estimate
    """That, less what audits, shadows and judges cost."""
    pairs: int


def paid(lines: Iterable[Line], large: ModelName | None) -> Paid:
    """Add up a route's lines."""
    of_all = list(lines)
    serving = [line for line in of_all if line.purpose in SERVING]
    answers = [line for line in serving if line.purpose != Purpose.DRAFT.value]
    by_large = [line for line in answers if line.model == large]
    by_arms = [line for line in answers if line.model != large]
    return Paid(
        requests=sum(line.requests for line in of_all),
        serving=sum(line.cost_nanousd for line in serving),
        beside=sum(line.cost_nanousd for line in of_all if line.purpose not in SERVING),
        arms_answered=sum(line.attempts for line in by_arms),
        arms_billed=sum(line.cost_nanousd for line in by_arms),
        large_answered=sum(line.attempts for line in by_large),
        large_billed=sum(line.cost_nanousd for line in by_large),
        unpriced=sum(line.unpriced for line in serving),
    )


def savings(known: Paid, pairs: Pairs | None, *, has_large: bool) -> Savings | Unknown:
    """What was saved, or why that is unknown. `pairs` are `None` where nobody looked for them."""
    if not has_large:
        return Unknown.NO_LARGE
    if not known.requests:
        return Unknown.NO_REQUESTS
    if known.unpriced:
        return Unknown.UNPRICED
    n = 0 if pairs is None else pairs.n
    if known.arms_answered and (pairs is None or n < MIN_PAIRS):
        return Unknown.FEW_PAIRS
    nothing = Estimate(value=0, lower=0, upper=0)
    of_arms = nothing if pairs is None or not known.arms_answered else large_for_arms(known, pairs)
    alone = of_arms.shifted(known.large_billed)
    saved = alone.shifted(-known.serving)
    return Savings(alone=alone, saved=saved, net=saved.shifted(-known.beside), pairs=n)


def large_for_arms(known: Paid, pairs: Pairs) -> Estimate:
    """What the large model would have been billed for the requests that arms answered."""
    by_count = not pairs.arm or not known.arms_billed
    total = known.arms_answered if by_count else known.arms_billed
    size = Fraction(pairs.weight if by_count else pairs.arm)
    ratio = Fraction(pairs.large) / size
    crosses = Fraction(pairs.by_weight_large if by_count else pairs.products)
    own = Fraction(pairs.squares_weight if by_count else pairs.squares_arm)
    residual = max(Fraction(0), Fraction(pairs.squares_large) - 2 * ratio * crosses + ratio**2 * own)
    variance = (total / size) ** 2 * Fraction(pairs.n, pairs.n - 1) * residual
    half = _Z * isqrt(round(variance))
    value = ratio * total
    return Estimate(value=_nano(value), lower=max(0, _nano(value - half)), upper=_nano(value + half))


def _nano(amount: Fraction) -> int:
    return half_even(amount.numerator, amount.denominator)
