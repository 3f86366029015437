"""From labelled answers to a calibrated score and a threshold, with different labels for the one and the other.

A guarantee holds for the very score that is served, on labels that this score has not seen. So where the target is a
risk, one half of the labels fits the score and the other half sets the threshold. (Out-of-fold probabilities of several
fits would spare labels, but a threshold on them can cut through answers to which the final fit gives one and the same
probability, and the risk is then missed.) Targets without a guarantee leave all labels to the fit.

How good the score is, is measured on out-of-fold probabilities of all labels in either case.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routing.confidence.fit.logistic import Floats, LogisticFit, OneClassOnly, fit_logistic
from routing.confidence.fit.quality import BOOTSTRAP_DRAWS, Quality, measure
from routing.confidence.fit.targets import Target, Threshold, arm, has_guarantee
from routing.confidence.fit.thresholds import Decision

MIN_FIT_LABELS = 200
"""Below this an online score stays what it was: a fit on fewer is too loose to act on by itself."""
MIN_RISK_LABELS = 300
"""Below this no risk target is armed online: half of the labels set the threshold."""
MIN_AUROC = 0.55
"""From `MIN_FIT_LABELS` on, a score whose lower 95 % bound is under this tells too little to act on."""
FOLDS = 5

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Labels:
    """Answers of which it is known whether they are correct."""

    x: Floats
    """(n, k) features; NaN is a missing value."""
    correct: Floats
    """(n,) of 0 and 1."""
    propensity: Floats | None = None
    """(n,) in (0, 1]: how likely the answer was to be labelled; `None`: all alike."""
    weights: Floats | None = None
    """(n,) above 0, for the fit alone, such as weights that fade with age."""

    def __len__(self) -> int:
        return len(self.correct)

    @property
    def importance(self) -> Floats | None:
        """What undoes the choice of answers to label: 1 / propensity."""
        return None if self.propensity is None else 1 / self.propensity

    @property
    def fit_weights(self) -> Floats | None:
        """Importance and the weights of the fit together."""
        if self.weights is None or self.propensity is None:
            return self.importance if self.weights is None else self.weights
        return self.weights / self.propensity

    def at(self, rows: Rows) -> "Labels":
        """Some of the rows."""
        return Labels(
            x=self.x[rows],
            correct=self.correct[rows],
            propensity=None if self.propensity is None else self.propensity[rows],
            weights=None if self.weights is None else self.weights[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted score, what it is worth and where its threshold lies."""

    fit: LogisticFit
    quality: Quality
    decision: Decision
    n: int
    n_fit: int
    n_threshold: int
    """Labels (or scores) that set the threshold."""


def calibrate(labels: Labels, target: Target, *, seed: int = 0, draws: int = BOOTSTRAP_DRAWS) -> Calibration:
    """Fit the score, measure it and set the threshold.

    Args:
        labels: at least two right and two wrong answers.
        target: what the threshold is to achieve.
        seed: of the halves, the folds, the thinning and the resamples.
        draws: resamples behind each interval.

    Raises:
        OneClassOnly: there are fewer than two right or two wrong answers.
    """
    quality = measure(cross_fit(labels, seed=seed), labels.correct, labels.importance, draws=draws, seed=seed)
    fitting = setting = labels
    weights = labels.importance
    if has_guarantee(target):
        fitting, setting = halve(labels, seed=seed)
        setting, weights = thin(setting, seed=seed), None
    fit = fit_logistic(fitting.x, fitting.correct, fitting.fit_weights)
    decision = arm(target, fit.predict(setting.x), setting.correct, weights)
    return Calibration(
        fit=fit,
        quality=quality,
        decision=refuse_if_blind(decision, quality, target),
        n=len(labels),
        n_fit=len(fitting),
        n_threshold=len(setting),
    )


def cross_fit(labels: Labels, *, folds: int = FOLDS, seed: int = 0) -> Floats:
    """Out-of-fold probabilities, (n,): each answer is judged by a fit that has not seen it.

    Folds hold equal parts of right and wrong answers. Where one kind has fewer than `folds`, there are fewer folds.

    Raises:
        OneClassOnly: there are fewer than two right or two wrong answers.
    """
    wrong, right = _shuffled_by_class(labels.correct, seed)
    fold = np.empty(len(labels), dtype=np.intp)
    count = min(folds, len(wrong), len(right))
    fold[np.concatenate([wrong, right])] = np.arange(len(labels)) % count
    p = np.empty(len(labels))
    for held in range(count):
        seen = labels.at(np.flatnonzero(fold != held))
        p[fold == held] = fit_logistic(seen.x, seen.correct, seen.fit_weights).predict(labels.x[fold == held])
    return p


def halve(labels: Labels, *, seed: int = 0) -> tuple[Labels, Labels]:
    """Labels for the fit and labels for the threshold, each with half of the right and half of the wrong answers.

    An odd wrong answer goes to the threshold and an odd right one to the fit: the bound then errs to the safe side.

    Raises:
        OneClassOnly: there are fewer than two right or two wrong answers.
    """
    wrong, right = _shuffled_by_class(labels.correct, seed)
    few_wrong, most_right = len(wrong) // 2, (len(right) + 1) // 2
    fitting = np.concatenate([wrong[:few_wrong], right[:most_right]])
    setting = np.concatenate([wrong[few_wrong:], right[most_right:]])
    return labels.at(np.sort(fitting)), labels.at(np.sort(setting))


def thin(labels: Labels, *, seed: int = 0) -> Labels:
    """Labels as if all had been drawn with the least of their propensities: each stays with probability least / own.

    Exact bounds hold for labels of equal weight, and this makes the weights equal. Labels whose propensities are alike
    all stay.
    """
    if labels.propensity is None:
        return labels
    chance = np.random.default_rng(seed)
    keeps = chance.random(len(labels)) * labels.propensity <= labels.propensity.min()
    return labels.at(np.flatnonzero(keeps))


def refuse_if_blind(decision: Decision, quality: Quality, target: Target) -> Decision:
    """The same decision, unless it would act on a score that hardly tells right from wrong.

    With fewer than `MIN_FIT_LABELS` the interval is too wide to say so. A plain threshold is somebody's own choice, and
    a guarantee that holds with every answer served makes no use of the score.
    """
    needs_no_score = has_guarantee(target) and decision.accepted_share == 1
    if quality.n < MIN_FIT_LABELS or quality.auroc.low >= MIN_AUROC or isinstance(target, Threshold) or needs_no_score:
        return decision
    reason = (
        f"the score hardly tells right answers from wrong ones: AUROC {quality.auroc.value:.3f}, "
        f"and its lower 95 % bound {quality.auroc.low:.3f} is under {MIN_AUROC}"
    )
    return replace(decision, feasible=False, reason=reason, threshold=None, accepted_share=None)


def _shuffled_by_class(correct: Floats, seed: int) -> tuple[Rows, Rows]:
    """The rows of the wrong and of the right answers, each in random order."""
    wrong, right = np.flatnonzero(correct == 0), np.flatnonzero(correct == 1)
    for kind, rows in (("wrong", wrong), ("right", right)):
        if len(rows) < 2:
            found = f"{len(rows)} of {len(correct)} labelled answers are {kind}"
            raise OneClassOnly(f"{found}: at least 2 right and 2 wrong ones are needed")
    chance = np.random.default_rng(seed)
    return chance.permutation(wrong), chance.permutation(right)
