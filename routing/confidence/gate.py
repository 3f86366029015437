"""Which answers are sure enough to be served, by their confidence mode."""

from dataclasses import dataclass
from enum import StrEnum

from routing.confidence.tally import Features, ScoreName


class ConfidenceMode(StrEnum):
    """What a route does with confidence. The modes with guarantees come with calibration."""

    NONE = "none"
    """Ask for no log-probabilities."""
    OBSERVE = "observe"
    """Score, export and record; never act."""
    THRESHOLD = "threshold"
    """Fall back below a fixed raw score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one answer, or the prefix of one, was found to be worth."""

    score_name: ScoreName
    score: float | None
    """In [0, 1]; `None` when there was no basis for a score."""
    features: Features | None
    threshold: float | None
    """What the score was compared with; `None` where nothing was compared."""

    @property
    def is_doubtful(self) -> bool:
        """Below the threshold. An answer without a score is not doubtful: absence is no evidence of doubt."""
        return self.threshold is not None and self.score is not None and self.score < self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How a route judges answers."""

    mode: ConfidenceMode = ConfidenceMode.OBSERVE
    score_name: ScoreName = ScoreName.MEAN_LOGPROB
    minimum: float | None = None
    """The least score that is served, in [0, 1]; `None` unless the mode compares."""

    @property
    def asks(self) -> bool:
        """Whether log-probabilities are asked for."""
        return self.mode is not ConfidenceMode.NONE

    def judge(self, features: Features | None) -> Judgement:
        """Score an answer and say what it was compared with."""
        score = None if features is None else features.score(self.score_name)
        return Judgement(score_name=self.score_name, score=score, features=features, threshold=self.minimum)
