"""Whether a quantile of two arms is the same, such as p95 of latency: a p-value that holds whenever one looks.

If x is the q-quantile of an arm, q lies between the shares of values below x and up to x. What the mixture of
`routing.experiment.bounded` says against q as the mean of "up to x" is then evidence against x, at least as much as
the least over all counts between the two. A common quantile x has to survive the product of both arms' evidence, and
the p-value is that of the x which does so best (Howard and Ramdas, Bernoulli 28(3), 2022, section 5).
"""

from collections.abc import Sequence
from math import exp

import numpy as np
from scipy.special import betaln

from routing.experiment.bounded import lowest
from routing.experiment.sequence import ALPHA, tuning
from routing.experiment.sums import Floats


def quantile_p_value(baseline: Sequence[float], arm: Sequence[float], share: float, tight_at: float) -> float:
    """How surely a quantile of two arms differs. If it does not, this is ever below alpha at most an alpha of the time.

    Takes time in proportion to the values, but for sorting them.

    Args:
        baseline: values of one arm, one a unit, in any order; at least one.
        arm: values of the other.
        share: which quantile, in (0, 1).
        tight_at: values an arm at which it is meant to see most.

    Raises:
        ValueError: an arm without values, or a share that is none.

    >>> round(quantile_p_value(range(1000), range(100, 1100), 0.5, 100), 7)
    0.0054947
    """
    if not (len(baseline) and len(arm) and 0 < share < 1):
        raise ValueError("there must be values in both arms, and a share between 0 and 1")
    arms = [np.sort(np.asarray(values, dtype=np.float64)) for values in (baseline, arm)]
    # Between two values the shares are those at either, so that it is enough to look at the values.
    places = np.unique(np.concatenate(arms))
    evidence = sum(_evidence(values, places, share, tight_at) for values in arms)
    return min(1.0, exp(-float(np.min(evidence))))


def _evidence(values: Floats, places: Floats, share: float, tight_at: float) -> Floats:
    """The logarithm of how much the values say against each place as their quantile."""
    n, weight = len(values), max(1.0, tuning(tight_at, ALPHA) - 1)

    def log_m(counts: Floats) -> Floats:
        mixed = betaln(weight * share + counts, weight * (1 - share) + n - counts)
        start = betaln(weight * share, weight * (1 - share))
        return np.asarray(mixed - start - counts * np.log(share) - (n - counts) * np.log1p(-share))

    below, up_to = (np.searchsorted(values, places, side) for side in ("left", "right"))
    # It has one valley, so the least between two counts is the one next to its bottom.
    return log_m(np.clip(lowest(log_m, 0.0, float(n)), below, up_to))
