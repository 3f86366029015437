"""Which answers are sure enough to be served: one gate for each model of a route, for whole answers and for prefixes.

    mode              what is compared                       with
    none              nothing; no log-probabilities asked    -
    observe           nothing                                -
    threshold         the raw score that the route names     a fixed number
    budget            confidence                             a threshold that moves to hold a share
    risk              confidence                             the threshold that its calibration allows
    selective_risk    confidence                             the same
    utility           confidence                             what an answer is worth, less what the fallback costs

A gate that has no threshold compares nothing: a mode that needs a calibration observes until it is armed.
"""

from dataclasses import dataclass
from enum import StrEnum

from routing.confidence.budget import BudgetTracker
from routing.confidence.features import Features
from routing.confidence.scorer import Calibration, Scorer
from routing.confidence.scores import ScoreName, raw_score


class ConfidenceMode(StrEnum):
    """What a route does with confidence."""

    NONE = "none"
    """Ask for no log-probabilities."""
    OBSERVE = "observe"
    """Score, export and record; never act."""
    THRESHOLD = "threshold"
    """Fall back below a fixed raw score."""
    BUDGET = "budget"
    """Fall back on a wanted share of answers, the least sure ones."""
    RISK = "risk"
    """Bound the share of all answers that the small model serves and that are wrong."""
    SELECTIVE_RISK = "selective_risk"
    """Bound the share of wrong answers among those that the small model serves."""
    UTILITY = "utility"
    """Fall back where the expected gain is worth the price."""


CALIBRATED_MODES = frozenset(
    {ConfidenceMode.BUDGET, ConfidenceMode.RISK, ConfidenceMode.SELECTIVE_RISK, ConfidenceMode.UTILITY}
)
"""The modes that compare confidence and whose thresholds come from data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one answer, or the prefix of one, was found to be worth."""

    score_name: ScoreName
    score: float | None
    """Raw, in [0, 1]; `None` when there was no basis for a score."""
    confidence: float | None
    """In [0, 1]; the raw score where there is no calibration."""
    calibration: str | None
    """The version of the calibration that made it; `None` for a raw score."""
    threshold: float | None
    """What was compared; `None` where nothing was."""
    is_doubtful: bool
    """Below the threshold. An answer without a score is not doubtful: absence is no evidence of doubt."""
    features: Features | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """How whole answers are measured, or how prefixes are."""

    scorer: Scorer | None = None
    threshold: float | None = None
    """Fixed; `None` where nothing is compared, or the tracker's counts."""
    tracker: BudgetTracker | None = None


OBSERVING = Yardstick()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How the answers of one model are judged on one route."""

    mode: ConfidenceMode = ConfidenceMode.OBSERVE
    score_name: ScoreName = ScoreName.MEAN_LOGPROB
    calibration: str | None = None
    """Version of what made the scorers."""
    whole: Yardstick = OBSERVING
    prefix: Yardstick = OBSERVING
    late: Yardstick = OBSERVING
    """For whole answers that are out already; a budget's tracker of these is apart, since it decides nothing."""

    @property
    def asks(self) -> bool:
        """Whether log-probabilities are asked for."""
        return self.mode is not ConfidenceMode.NONE

    @property
    def acts(self) -> bool:
        """Whether doubt about a whole answer has consequences."""
        return self.whole.threshold is not None or self.whole.tracker is not None

    @property
    def acts_on_prefixes(self) -> bool:
        """Whether doubt about the start of a stream has consequences."""
        return self.prefix.threshold is not None or self.prefix.tracker is not None

    def judge(self, features: Features | None) -> Judgement:
        """Judge a whole answer that can still be replaced."""
        return self._measure(self.whole, features)

    def judge_prefix(self, features: Features | None) -> Judgement:
        """Judge the held start of a stream."""
        return self._measure(self.prefix, features)

    def judge_late(self, features: Features | None) -> Judgement:
        """Judge a whole answer that is out already: doubt is worth knowing, and has no consequences."""
        return self._measure(self.late, features)

    def _measure(self, yardstick: Yardstick, features: Features | None) -> Judgement:
        score = None if features is None else raw_score(features, self.score_name)
        scorer, tracker = yardstick.scorer, yardstick.tracker
        confidence = score if scorer is None or features is None else scorer.confidence(features)
        compared = score if self.mode is ConfidenceMode.THRESHOLD else confidence
        threshold = yardstick.threshold if tracker is None else tracker.threshold
        if tracker is not None and compared is not None:
            tracker.observe(compared)
        return Judgement(
            score_name=self.score_name,
            score=score,
            confidence=confidence,
            calibration=None if scorer is None or confidence is None else self.calibration,
            threshold=threshold,
            is_doubtful=threshold is not None and compared is not None and compared < threshold,
            features=features,
        )


def gate_of(  # everything that makes a gate
    mode: ConfidenceMode,
    score_name: ScoreName,
    calibration: Calibration | None,
    *,
    whole: float | BudgetTracker | None = None,
    prefix: float | BudgetTracker | None = None,
    late: float | BudgetTracker | None = None,
) -> Gate:
    """A gate from a mode, a calibration and what is compared: fixed thresholds, trackers, or nothing."""
    return Gate(
        mode=mode,
        score_name=score_name,
        calibration=None if calibration is None else calibration.version,
        whole=_yardstick(None if calibration is None else calibration.whole, whole),
        prefix=_yardstick(None if calibration is None else calibration.prefix, prefix),
        late=_yardstick(None if calibration is None else calibration.whole, late),
    )


def _yardstick(scorer: Scorer | None, compared: float | BudgetTracker | None) -> Yardstick:
    if isinstance(compared, BudgetTracker):
        return Yardstick(scorer=scorer, tracker=compared)
    return Yardstick(scorer=scorer, threshold=compared)
