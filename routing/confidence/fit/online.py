"""From what a gateway has recorded of one arm to the scorers that its workers apply, and the evidence for thresholds.

One half of the labels whose being there did not depend on the answer is kept from the fit and is evidence. All other
labels fit, newer ones more than older ones. What cannot be fitted, for want of labels or since they are all alike, is
judged by a scorer that needs none; all of the labels that may be are evidence then.

No label is weighed by its propensity. Which answers are labelled depends on the hour and on what money was left, which
says nothing about the answers; weights of one to some hundred would throw most of the labels away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Protocol

import numpy as np

from routing.confidence.evidence import Evidence, Graded
from routing.confidence.features import FEATURE_NAMES, Features, vector
from routing.confidence.fit.calibrate import MIN_AUROC, MIN_FIT_LABELS, Labels, cross_fit
from routing.confidence.fit.logistic import LogisticFit, OneClassOnly, fit_logistic
from routing.confidence.fit.quality import BOOTSTRAP_DRAWS, Estimate, Quality, measure
from routing.confidence.scorer import Calibration, Scorer, ScorerKind
from routing.confidence.unlabelled import confidences, is_short, scorer_without_labels

HALF_LIFE_LABELS: Final = 2_000
"""A label this many labels old counts half as much in the fit."""
_MORE_TOKENS: Final = 4
"""A held start may have some tokens more than are held: servers send several at once."""
MOST_UNGRADED: Final = 1_000
"""Confidences that are kept to begin a budget with."""


class Grade(Protocol):
    """A label, with the features of its answer."""

    @property
    def value(self) -> float: ...
    @property
    def is_weighed(self) -> bool: ...
    @property
    def judged(self) -> str | None: ...
    @property
    def prefix(self) -> Features | None: ...
    @property
    def whole(self) -> Features | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Features of recent answers, whether or not anybody has labelled them, newest first."""

    whole: Sequence[Features] = ()
    prefix: Sequence[Features] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A calibration, what its thresholds are computed from, and what it is worth."""

    calibration: Calibration
    evidence: Evidence
    quality: dict[str, Any] = field(default_factory=dict)
    """Plain JSON: `whole` and `prefix` as `describe` has them, `null` where nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Whole answers, or prefixes: their scorer, the evidence, and what was measured."""

    scorer: Scorer
    graded: Graded
    quality: dict[str, Any] | None
    auroc_low: float | None
    n_fit: int


def fit_online(
    grades: Sequence[Grade],
    recorded: Recorded,
    *,
    version: str,
    hold_tokens: int | None = None,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> Fitted | None:
    """Make confidence for one arm; `None` where neither labels nor records are enough for whole answers.

    Args:
        grades: labels, newest first; those without features serve for nothing.
        recorded: what there is beside them.
        version: the name of the calibration.
        hold_tokens: how much the route holds of a stream; longer starts, of before that was changed, are left out.
        draws: resamples behind each interval.
        seed: of halves, folds and resamples.
    """
    held = _held(grades, seed)
    short = bool(recorded.whole) and is_short(recorded.whole)
    starts = _Answers(grades, held, "prefix", recorded.prefix, most_tokens=hold_tokens)
    parts = (_Answers(grades, held, "whole", recorded.whole), starts)
    whole, prefix = (part.made(is_short=short, draws=draws, seed=seed) for part in parts)
    if whole is None:
        return None
    # A start that tells nothing must not decide on anything, whatever the whole answer tells.
    is_judged = prefix is not None and (prefix.auroc_low is None or prefix.auroc_low >= MIN_AUROC)
    return Fitted(
        calibration=Calibration(
            version=version,
            labels=whole.n_fit,
            whole=whole.scorer,
            prefix=prefix.scorer if prefix is not None and is_judged else None,
            prefix_tokens=hold_tokens,
        ),
        evidence=Evidence(
            whole=whole.graded,
            prefix=prefix.graded if prefix is not None and is_judged else Graded(),
            auroc_low=whole.auroc_low,
        ),
        quality={"whole": whole.quality, "prefix": None if prefix is None else prefix.quality},
    )


def scorer_of(fit: LogisticFit) -> Scorer:
    """The same score for features as they are, in plain arithmetic."""
    return Scorer(kind=ScorerKind.LOGISTIC, intercept=fit.raw_intercept, coefficients=fit.coefficients, means=fit.means)


def describe(found: Quality, base_rate: float) -> dict[str, Any]:
    """Figures as plain JSON: numbers, and estimates with their 95 % bootstrap intervals."""
    return {
        "n": found.n,
        "base_rate": base_rate,
        "auroc": _interval(found.auroc),
        "ece": _interval(found.ece),
        "ece_equal_mass": found.ece_equal_mass,
        "brier": _interval(found.brier),
    }


class _Answers:
    """What there is to make one of the two scorers of."""

    def __init__(
        self,
        grades: Sequence[Grade],
        held: Sequence[bool],
        name: str,
        recorded: Sequence[Features],
        *,
        most_tokens: int | None = None,
    ) -> None:
        self._grades = grades
        self._name = name
        self._most_tokens = inf if most_tokens is None else most_tokens + _MORE_TOKENS
        recorded = [features for features in recorded if features.tokens <= self._most_tokens]
        found = [(at, getattr(grade, name)) for at, grade in enumerate(grades)]
        rows = [(at, features) for at, features in found if features is not None and self._fits(features)]
        self._features = [features for _, features in rows]
        self._x = _matrix(self._features)
        self._correct = np.asarray([grades[at].value >= 0.5 for at, _ in rows], dtype=np.float64)
        self._age = np.asarray([at for at, _ in rows], dtype=np.float64)
        self._is_weighed = np.asarray([grades[at].is_weighed for at, _ in rows], dtype=bool)
        self._held = held
        self._is_held = np.asarray([held[at] for at, _ in rows], dtype=bool)
        self._recorded = recorded or self._features
        # With so few labels a budget is all that can be armed, which needs no grades and many confidences.
        self._are_few = len(grades) < MIN_FIT_LABELS

    def _fits(self, features: Features) -> bool:
        return features.tokens <= self._most_tokens

    def made(self, *, is_short: bool, draws: int, seed: int) -> _Part | None:
        """Out of labels where they are enough, or else without."""
        if len(self._correct) >= MIN_FIT_LABELS:
            try:
                return self._from_labels(draws=draws, seed=seed)
            except OneClassOnly:
                pass  # nearly all answers are right, or wrong: that can be graded all the same
        scorer = scorer_without_labels(self._recorded, is_short=is_short)
        if scorer is None:
            return None
        graded = self._graded(scorer, [grade.is_weighed for grade in self._grades])
        if self._are_few:
            graded = Graded(confidences=confidences(scorer, self._recorded[:MOST_UNGRADED]))
        return _Part(scorer=scorer, graded=graded, quality=None, auroc_low=None, n_fit=0)

    def _from_labels(self, *, draws: int, seed: int) -> _Part:
        fitting = ~self._is_held
        weights = 0.5 ** (self._age[fitting] / HALF_LIFE_LABELS)
        scorer = scorer_of(fit_logistic(self._x[fitting], self._correct[fitting], weights))
        # Where the cascade acts, unweighed labels are of sure answers only, among which no score tells much.
        judged = self._is_weighed if self._is_weighed.sum() >= MIN_FIT_LABELS else np.ones_like(self._is_weighed)
        labels = Labels(x=self._x[judged], correct=self._correct[judged])
        found = measure(cross_fit(labels, seed=seed), labels.correct, draws=draws, seed=seed)
        return _Part(
            scorer=scorer,
            graded=self._graded(scorer, self._held),
            quality=describe(found, float(labels.correct.mean())),
            auroc_low=found.auroc.low,
            n_fit=int(fitting.sum()),
        )

    def _graded(self, scorer: Scorer, which: Sequence[bool]) -> Graded:
        """Evidence of these labels. What was judged by nothing is served whatever the threshold, and counts so."""
        found = [(grade, getattr(grade, self._name)) for grade, is_in in zip(self._grades, which, strict=True) if is_in]
        rows = [
            (grade, features)
            for grade, features in found
            if (grade.judged == self._name if features is None else self._fits(features))
        ]
        confidences = (None if features is None else scorer.confidence(features) for _, features in rows)
        return Graded(
            confidences=tuple(1.0 if confidence is None else confidence for confidence in confidences),
            wrong=tuple(int(grade.value < 0.5) for grade, _ in rows),
        )


def _held(grades: Sequence[Grade], seed: int) -> list[bool]:
    """Which labels are kept from the fit: half of the right and half of the wrong ones that a bound may rest on.

    An odd wrong one is kept and an odd right one is not, so that the bound errs to the safe side.
    """
    chance = np.random.default_rng(seed)
    held = [False] * len(grades)
    for is_right in (False, True):
        own = [at for at, grade in enumerate(grades) if grade.is_weighed and (grade.value >= 0.5) == is_right]
        count = len(own) // 2 if is_right else (len(own) + 1) // 2
        for at in chance.permutation(own)[:count]:
            held[int(at)] = True
    return held


def _matrix(answers: Sequence[Features]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Shape (n, number of features); NaN is a missing value."""
    rows = [[np.nan if value is None else value for value in vector(features)] for features in answers]
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), len(FEATURE_NAMES))


def _interval(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
