"""How units are divided between arms of an adaptive experiment: top-two Thompson sampling, without drawing anything.

Thompson sampling draws a mean for each arm, as likely as that mean is, and plays the best. Top-two sampling (Russo,
Operations Research 68(6), 2020) plays it half of the time; otherwise it draws again until another arm is best, and
plays that. So the arm that seems best gets about half, and the rest goes to those that may yet be better, rather than
ever more to one. How often each arm is best is an integral here, so that equal sums always give equal shares:

    p_i = integral f_i(x) prod_{j != i} F_j(x) dx
    t_i = b p_i + (1 - b) sum_{j != i} p_j p_i / (1 - p_j)          b = 0.5
    share_i = u / K + (1 - u) (f + (1 - K f) t_i)                   u = 0.1, f = 0.05

A tenth of the units is divided evenly whatever was seen, and of the rest each arm has at least a twentieth. Of two arms
each gets a half, always: there is nothing to adapt before the third.
"""

from collections.abc import Sequence
from math import isfinite

import numpy as np
from scipy.special import ndtr

from routing.assignment.buckets import BUCKETS
from routing.experiment.effects import Estimate
from routing.experiment.sums import Floats

BEST_SHARE = 0.5
"""How often the arm is played that was drawn as the best."""
FLOOR = 0.05
UNIFORM = 0.1
MOST_ARMS = 10

_PLACES = 2001
_REACH = 8.0
"""Standard errors to either side, beyond which nothing is looked for."""


def best_chances(estimates: Sequence[Estimate], sign: int) -> Floats:
    """How likely each arm is the best, (arms,), with a sum of 1.

    Args:
        estimates: what is known of the mean of each, each apart, with a finite variance.
        sign: 1 where higher is better, -1 where lower is.

    >>> chances = best_chances([Estimate(mean=0.5, variance=0.01), Estimate(mean=0.6, variance=0.01)], 1)
    >>> [round(float(chance), 4) for chance in chances]
    [0.2398, 0.7602]
    """
    means = sign * np.array([one.mean for one in estimates])
    # An arm whose values never differed is not known for sure by that; a little lets the integral see it.
    widest = max((one.variance for one in estimates), default=0.0)
    errors = np.sqrt(np.maximum([one.variance for one in estimates], max(widest * 1e-6, 1e-24)))
    found = np.empty(len(means))
    for at, (mean, error) in enumerate(zip(means, errors, strict=True)):
        z = np.linspace(-_REACH, _REACH, _PLACES)
        others = np.arange(len(means)) != at
        below = ndtr((mean + error * z[:, None] - means[others]) / errors[others]).prod(axis=1)
        found[at] = (np.exp(-(z**2) / 2) * below).sum()
    return np.asarray(found / found.sum())


def top_two(chances: Floats, best_share: float = BEST_SHARE) -> Floats:
    """How often each arm is played, (arms,), with a sum of 1, where that is how likely each is the best."""
    arms = len(chances)
    played = best_share * chances
    for first, chance in enumerate(chances):
        others = np.arange(arms) != first
        rest = np.where(others, chances, 0.0)
        # Where one is the best beyond all doubt, what is left of the others does not say which is second.
        second = rest / rest.sum() if rest.sum() > 0 else others / (arms - 1)
        played = played + (1 - best_share) * chance * second
    return np.asarray(played)


def shares(estimates: Sequence[Estimate], sign: int) -> tuple[int, ...]:
    """What each arm gets, in hundredths of a percent, with a sum of 10,000.

    Args:
        estimates: of 2 to 10 arms; as long as one of them is not known, all get the same.
        sign: 1 where higher is better, -1 where lower is.

    >>> shares([Estimate(mean=mean, variance=0.0004) for mean in (0.6, 0.7, 0.5)], 1)
    (4608, 4608, 784)
    """
    arms = len(estimates)
    if not 2 <= arms <= MOST_ARMS:
        raise ValueError(f"there must be 2 to {MOST_ARMS} arms, not {arms}")
    if not all(isfinite(one.variance) for one in estimates):
        return _rounded(np.full(arms, 1 / arms))
    played = top_two(best_chances(estimates, sign))
    return _rounded(UNIFORM / arms + (1 - UNIFORM) * (FLOOR + (1 - arms * FLOOR) * played))


def _rounded(wanted: Floats) -> tuple[int, ...]:
    """By the largest remainder."""
    exact = wanted * BUCKETS
    counts = np.floor(exact).astype(int)
    left = BUCKETS - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:left]] += 1
    return tuple(int(count) for count in counts)
