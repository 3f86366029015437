"""Quantiles, such as p95 of latency: from order statistics, whatever the values look like.

Two ways to an interval. The usual one takes the spread of the order statistics about the quantile as a standard error
and hands it to a sequence, as if the quantile were a mean. The strict one needs no approximation and no size chosen
beforehand: bands that hold for all quantiles and all times at once (Howard and Ramdas, Bernoulli 28(3), 2022, Theorem
3), at the price of being wider.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, exp, floor, inf, log, sqrt

from routing.experiment.effects import Estimate

RELATIVE_ERROR = 0.01
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_Z = 1.959963984540054

# Of the strict bands: how fine the grid of quantiles is, how error is spread over epochs, and how epochs grow.
_DELTA, _S, _ETA = 0.5, 1.4, 2.0
_ZETA_S = 3.1055472779775806
"""Riemann's zeta of 1.4."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """How many values there are of each size, to within 1 %: parts add up to the whole, and ranks are exact.

    Values lie in buckets whose edges grow by a factor (Masson, Rim and Lee, DDSketch, VLDB 2019); those that are not
    above 0 in one of their own.

    >>> (Ranked.of([1.0, 2.0]) + Ranked.of([3.0])).n
    3
    """

    counts: Mapping[int | None, int]
    """By the number of the bucket; `None` for what is not above 0."""

    @classmethod
    def of(cls, values: Iterable[float]) -> "Ranked":
        """Rank some values, all finite."""
        return cls(Counter(ceil(log(value) / log(_GAMMA)) if value > 0 else None for value in values))

    def __add__(self, other: "Ranked") -> "Ranked":
        return Ranked(Counter(self.counts) + Counter(other.counts))

    @property
    def n(self) -> int:
        """How many values."""
        return sum(self.counts.values())

    def bucket(self, rank: int) -> tuple[float, float]:
        """The edges of the bucket with the value of this rank; the least value has rank 1, a rank beyond is cut."""
        rank = max(1, min(rank, self.n))
        below = self.counts.get(None, 0)
        if rank <= below:
            return 0.0, 0.0
        for number in sorted(number for number in self.counts if number is not None):
            below += self.counts[number]
            if rank <= below:
                return _GAMMA ** (number - 1), _GAMMA**number
        raise ValueError("no values, no ranks")


def quantile(ranked: Ranked, share: float, inflation: float = 1.0) -> Estimate | None:
    """A quantile with its variance, to be compared as if it were a mean; `None` with too few values for it.

    Args:
        ranked: the values, one a unit.
        share: which quantile, in (0, 1); 0.95 for p95.
        inflation: where a unit has several values, the variance of the share below the quantile over what it would be
            if they were drawn apart; at least 1.
    """
    n = ranked.n
    if n <= _Z**2 * inflation * max(share / (1 - share), (1 - share) / share):
        return None
    reach = _Z * sqrt(n * share * (1 - share) * inflation)
    low, high = (_middle(ranked.bucket(rank)) for rank in (floor(n * share - reach), ceil(n * share + reach)))
    own = ranked.bucket(ceil(n * share))
    # Nothing is known to less than a bucket.
    spread = max(high - low, own[1] - own[0])
    return Estimate(mean=_middle(own), variance=(spread / (2 * _Z)) ** 2)


def quantile_band(n: int, share: float, alpha: float, tight_at: float) -> tuple[float, float]:
    """Between which empirical quantiles a true quantile lies, whenever one looks; within 0 and 1.

    Args:
        n: values.
        share: which quantile, in (0, 1).
        alpha: how often it may be wrong, ever.
        tight_at: the number of values from which on it is meant to be tight.

    >>> low, high = quantile_band(10_000, 0.95, 0.05, 1000)
    >>> round(low, 4), round(high, 4)
    (0.9363, 0.9605)
    """
    low = share - stitched_bound(1 - share, n, alpha, tight_at) / n
    high = share + stitched_bound(share, n, alpha, tight_at) / n
    return max(0.0, low), min(1.0, high)


def strict_difference(
    baseline: Ranked, arm: Ranked, share: float, alpha: float, tight_at: float
) -> tuple[float, float]:
    """From where to where a quantile of `arm` minus that of `baseline` may be, whenever one looks.

    Args:
        baseline: values of one arm, one a unit.
        arm: values of the other.
        share: which quantile, in (0, 1).
        alpha: how often it may be wrong, ever.
        tight_at: values an arm from which on it is meant to be tight.
    """
    (low, high), (arm_low, arm_high) = (_strict(one, share, alpha / 2, tight_at) for one in (baseline, arm))
    return arm_low - high, arm_high - low


def stitched_bound(share: float, n: float, alpha: float, tight_at: float) -> float:
    """How far the count of values up to a quantile strays above `share` times n, at all quantiles and times at once."""
    longest = max(n, tight_at)
    odds = log(share / (1 - share))
    near = share if share >= 0.5 else min(0.5, _expit(odds + 2 * _DELTA * sqrt(tight_at * _ETA / longest)))
    variance = near * (1 - near)
    epoch = log(log(_ETA * longest / tight_at)) + log(sqrt(longest / tight_at) * abs(odds) / (2 * _DELTA) + 1)
    level = _S * epoch + log(2 * _ZETA_S * (2 * _ZETA_S + 1) / (alpha * log(_ETA) ** _S))
    skew = (sqrt(_ETA) + 1) / 2 * (1 - 2 * share) / 3 * level
    spread = (_ETA**0.25 + _ETA**-0.25) ** 2 / 2 * variance * longest * level
    return _DELTA * sqrt(_ETA * longest * variance / tight_at) + sqrt(spread + skew**2) + skew


def _strict(ranked: Ranked, share: float, alpha: float, tight_at: float) -> tuple[float, float]:
    n = ranked.n
    if not n:
        return -inf, inf
    low, high = quantile_band(n, share, alpha, tight_at)
    least = ranked.bucket(floor(low * n))[0] if low * n >= 1 else -inf
    return least, ranked.bucket(floor(high * n) + 1)[1] if high * n < n else inf


def _middle(bucket: tuple[float, float]) -> float:
    return sqrt(bucket[0] * bucket[1])


def _expit(x: float) -> float:
    return 1 / (1 + exp(-x))
