"""Thresholds on a score: from which score on an answer is served, so that a stated target is met.

| target | what holds | labels |
| --- | --- | --- |
| budget | the stated share falls back | none |
| fixed | whatever it comes to | none |
| utility | an answer falls back if the expected gain is worth its price | none, given a calibrated score |
| risk | P(served and wrong) <= alpha, with confidence 1 - delta (RCPS) | yes |
| selective risk | P(wrong given served) <= alpha, with confidence 1 - delta (LTT) | yes |

The guarantees hold when answers come from where the labels came from, and the score was not fitted to these labels.
A threshold lies between two scores that occurred, never within a tie, so that rounding moves no answer across it.
"""

from dataclasses import dataclass, replace
from math import ceil, log

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincinv

from routing.confidence.fit.logistic import Floats

START_SHARE = 0.15
"""Of the labels, in the first set that Learn-then-Test looks at: a test of the very surest few has no power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where to put a threshold, or why nowhere."""

    feasible: bool
    reason: str
    """A sentence, whether feasible or not."""
    threshold: float | None
    """Answers with a score of at least this are served; `None` where the target cannot be met."""
    accepted_share: float | None
    """Of the scores it was computed from, those that are served; `None` where the target cannot be met."""
    n: int
    """How many scores or labels decided."""
    least_fallback_share: float = 0.0
    """What must fall back under any score whatever, for the target to hold (with labels; else 0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sets:
    """The sets that a threshold can accept, from the surest answers alone to all of them."""

    sizes: Floats
    wrong: Floats
    """How many wrong answers each set holds."""
    thresholds: Floats
    n: int


def risk_threshold(scores: ArrayLike, wrong: ArrayLike, alpha: float, delta: float) -> Decision:
    """RCPS (Bates et al. 2021): serve as much as P(served and wrong) <= alpha allows, with confidence 1 - delta.

    The largest accepted set whose Clopper-Pearson upper bound on that risk, out of all n labels, is at most alpha. The
    risk cannot fall as the set grows, so no correction for having looked at many sets is needed.

    Args:
        scores: (n,) in [0, 1], not fitted to these labels.
        wrong: (n,) of 0 and 1.
        alpha: the risk, in (0, 1).
        delta: how often the guarantee may fail, in (0, 1).
    """
    sets = _nested(scores, wrong)
    error = float(np.mean(np.asarray(wrong, dtype=np.float64))) if sets.n else 0.0
    least = max(0.0, error - alpha)
    target = f"at most {_percent(alpha)} of all answers served and wrong, with {_percent(1 - delta)} confidence"
    if sets.n < (needed := least_labels(alpha, delta)):
        return _infeasible(sets.n, least, f"{target}, needs {needed} labels for the threshold; there are {sets.n}")
    bounds = upper_bound(sets.wrong, sets.n, delta)
    count = int((bounds <= alpha).sum())
    if count == 0:
        return _infeasible(sets.n, least, f"{target}: not even the surest answers are right often enough")
    return _accept(sets, count - 1, least, f"{target}: the bound is {_percent(bounds[count - 1])}")


def selective_risk_threshold(
    scores: ArrayLike, wrong: ArrayLike, alpha: float, delta: float, *, start_share: float = START_SHARE
) -> Decision:
    """Learn then Test (Angelopoulos et al. 2021): serve as much as P(wrong given served) <= alpha allows.

    Nested sets are tested from small to large, each by the exact binomial test at level delta, until the first that
    fails; the largest before it is served. The order is fixed beforehand, so the level needs no correction. The first
    set has at least as many answers as make a rejection possible at all, and at least `start_share` of them.

    Args:
        scores: (n,) in [0, 1], not fitted to these labels.
        wrong: (n,) of 0 and 1.
        alpha: the risk among the served, in (0, 1).
        delta: how often the guarantee may fail, in (0, 1).
        start_share: of the labels, in the first set; 0.1 to 0.2.
    """
    sets = _nested(scores, wrong)
    error = float(np.mean(np.asarray(wrong, dtype=np.float64))) if sets.n else 0.0
    least = max(0.0, (error - alpha) / (1 - alpha))
    target = f"at most {_percent(alpha)} of the served answers wrong, with {_percent(1 - delta)} confidence"
    needed = least_labels(alpha, delta)
    if sets.n < needed:
        return _infeasible(sets.n, least, f"{target}, needs {needed} labels for the threshold; there are {sets.n}")
    first = int(np.searchsorted(sets.sizes, max(needed, ceil(start_share * sets.n))))
    p_values = at_most(sets.wrong[first:], sets.sizes[first:], alpha)
    failed = np.flatnonzero(p_values > delta)
    passed = int(failed[0]) if len(failed) else len(p_values)
    if passed == 0:
        share = _percent(sets.sizes[first] / sets.n)
        return _infeasible(
            sets.n, least, f"{target}: of the surest {share}, {sets.wrong[first]:g} of {sets.sizes[first]:g} are wrong"
        )
    at = first + passed - 1
    return _accept(sets, at, least, f"{target}: {sets.wrong[at]:g} of {sets.sizes[at]:g} are wrong")


def expected_risk_threshold(scores: ArrayLike, wrong: ArrayLike, alpha: float) -> Decision:
    """Conformal risk control (Angelopoulos et al. 2024): P(served and wrong) <= alpha on average over sets of labels.

    The largest set with (wrong answers in it + 1) / (n + 1) <= alpha. Tighter than `risk_threshold`, but for one given
    set of labels the risk may well be above alpha.
    """
    sets = _nested(scores, wrong)
    error = float(np.mean(np.asarray(wrong, dtype=np.float64))) if sets.n else 0.0
    least = max(0.0, error - alpha)
    target = f"on average at most {_percent(alpha)} of all answers served and wrong"
    count = int(((sets.wrong + 1) / (sets.n + 1) <= alpha).sum())
    if count == 0:
        return _infeasible(sets.n, least, f"{target}: not with {sets.n} labels and this score")
    return _accept(sets, count - 1, least, target)


def budget_threshold(scores: ArrayLike, share: float, weights: ArrayLike | None = None) -> Decision:
    """The threshold below which at most `share` of the scores lie: with ties, as near below it as they allow.

    Args:
        scores: (n,) in [0, 1]; no labels are needed.
        share: may fall back, in [0, 1].
        weights: (n,) above 0, such as inverse propensities; `None`: all alike.
    """
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    mass = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)[order]
    ordered = values[order]
    # Below each score there is this much; a sum of shares may miss the one asked for by its rounding.
    below = np.concatenate([[0.0], np.cumsum(mass)])[np.searchsorted(ordered, ordered, side="left")] / mass.sum()
    if share >= 1:
        threshold, accepted = float(np.nextafter(ordered[-1], np.inf)), 0.0
    else:
        first = int(np.flatnonzero(below <= share + 1e-9)[-1])
        first = int(np.searchsorted(ordered, ordered[first], side="left"))
        threshold, accepted = _between(ordered, first), float(1 - below[first])
    reason = f"{_percent(1 - accepted)} of these answers have the lowest scores and fall back; {_percent(share)} may"
    return Decision(feasible=True, reason=reason, threshold=threshold, accepted_share=accepted, n=len(values))


def utility_threshold(
    scores: ArrayLike, fallback_accuracy: float, price_in_answers: float, weights: ArrayLike | None = None
) -> Decision:
    """Fall back where the expected gain is worth its price (Jitkrittum et al. 2023): p < accuracy - cost / value.

    Args:
        scores: (n,) calibrated probabilities that the answer is correct.
        fallback_accuracy: of the larger model, in [0, 1].
        price_in_answers: what its answer costs over what a correct answer is worth, at least 0.
        weights: (n,) above 0, such as inverse propensities; `None`: all alike.
    """
    threshold = max(0.0, fallback_accuracy - price_in_answers)
    reason = f"the larger model is right {_percent(fallback_accuracy)} of the time"
    if threshold > 0:
        reason += f", for {_percent(price_in_answers)} of what a correct answer is worth: it pays below {threshold:.4g}"
    else:
        reason += ", which is never worth its price: nothing falls back"
    return replace(fixed_threshold(scores, threshold, weights), reason=reason)


def fixed_threshold(scores: ArrayLike, minimum: float, weights: ArrayLike | None = None) -> Decision:
    """A threshold that somebody chose, and what it does to scores of shape (n,)."""
    values = np.asarray(scores, dtype=np.float64)
    accepted = float(np.average(values >= minimum, weights=None if weights is None else np.asarray(weights)))
    reason = f"{_percent(1 - accepted)} of these answers are below {minimum:.4g}"
    return Decision(feasible=True, reason=reason, threshold=minimum, accepted_share=accepted, n=len(values))


def least_labels(alpha: float, delta: float) -> int:
    """How many labels without a single error show a risk of at most alpha with confidence 1 - delta.

    >>> least_labels(0.1, 0.1), least_labels(0.05, 0.05)
    (22, 59)
    """
    return max(1, ceil(log(delta) / log(1 - alpha) - 1e-9))


def upper_bound(events: ArrayLike, n: int, delta: float) -> Floats:
    """The one-sided Clopper-Pearson bound: with confidence 1 - delta the rate is at most this, seen `events` of n.

    >>> round(float(upper_bound(3, 200, 0.1)), 7)
    0.0330975
    """
    seen = np.asarray(events, dtype=np.float64)
    bound = betaincinv(seen + 1, np.maximum(n - seen, 1), 1 - delta)
    return np.asarray(np.where(seen >= n, 1.0, bound))


def lower_bound(events: ArrayLike, n: int, delta: float) -> Floats:
    """The same on the other side: with confidence 1 - delta the rate is at least this."""
    return 1 - upper_bound(n - np.asarray(events, dtype=np.float64), n, delta)


def at_most(events: ArrayLike, n: ArrayLike, rate: float) -> Floats:
    """The binomial probability of at most so many events of n, the arrays going together.

    >>> round(float(at_most(2, 22, 0.1)), 4)
    0.62
    """
    seen, tried = np.asarray(events, dtype=np.float64), np.asarray(n, dtype=np.float64)
    below = betainc(np.maximum(tried - seen, 1), seen + 1, 1 - rate)
    return np.asarray(np.where(seen >= tried, 1.0, below))


def _nested(scores: ArrayLike, wrong: ArrayLike) -> _Sets:
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a score is not a finite number")
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    errors = np.cumsum(np.asarray(wrong, dtype=np.float64)[order])
    last_of_tie = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
    ascending = ordered[::-1]
    # All of them: then lower scores that did not occur are served as well.
    thresholds = [_between(ascending, len(ordered) - 1 - int(at)) for at in last_of_tie]
    return _Sets(
        sizes=(last_of_tie + 1).astype(np.float64),
        wrong=errors[last_of_tie],
        thresholds=np.asarray(thresholds),
        n=len(ordered),
    )


def _between(ascending: Floats, first: int) -> float:
    """A threshold that serves from `first` on: halfway to the score before it, or 0 when there is none."""
    if first == 0:
        return min(0.0, float(ascending[0]))
    low, high = float(ascending[first - 1]), float(ascending[first])
    middle = low + (high - low) / 2
    return middle if middle > low else high


def _accept(sets: _Sets, at: int, least: float, reason: str) -> Decision:
    share = float(sets.sizes[at]) / sets.n
    return Decision(
        feasible=True,
        reason=reason,
        threshold=float(sets.thresholds[at]),
        accepted_share=share,
        n=sets.n,
        least_fallback_share=least,
    )


def _infeasible(n: int, least: float, reason: str) -> Decision:
    if least > 0:
        reason += f"; under any score whatever at least {_percent(least)} would have to fall back"
    return Decision(feasible=False, reason=reason, threshold=None, accepted_share=None, n=n, least_fallback_share=least)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
