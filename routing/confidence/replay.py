"""Judge a recorded answer once more, with the very code that judged it, and say whether that comes to the same."""

from dataclasses import dataclass
from enum import StrEnum
from math import isclose

from routing.confidence.features import Features
from routing.confidence.gate import ConfidenceMode, gate_of
from routing.confidence.scorer import Calibration
from routing.confidence.scores import ScoreName


class ReplayVerdict(StrEnum):
    """What a replay came to."""

    SAME = "same"
    DIFFERENT = "different"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a record says of how an answer was judged."""

    mode: ConfidenceMode | None
    """`None` where nothing was judged."""
    is_by_prefix: bool
    """By the start of a stream, rather than by a whole answer."""
    score_name: ScoreName
    score: float | None
    confidence: float | None
    calibration: str | None
    """A version; `None` for a raw score."""
    threshold: float | None
    """What was compared, in that moment; `None` where nothing was."""
    features: Features | None

    @property
    def compared(self) -> float | None:
        """What the threshold was compared with."""
        return self.score if self.mode is ConfidenceMode.THRESHOLD else self.confidence

    @property
    def is_doubtful(self) -> bool:
        """Whether that was below it. Absence is no evidence of doubt."""
        return self.threshold is not None and self.compared is not None and self.compared < self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A judgement made again; the values are `None` where it was impossible."""

    verdict: ReplayVerdict
    detail: str
    """A sentence."""
    score: float | None = None
    confidence: float | None = None
    is_doubtful: bool | None = None


def replay(recorded: Recorded, calibration: Calibration | None) -> Replay:
    """Judge again.

    Args:
        recorded: what was recorded.
        calibration: the one that the record names; `None` where it names none, or there is none of that name any more.
    """
    if recorded.mode is None or recorded.score is None or recorded.confidence is None:
        return _impossible("the answer gave no basis for a judgement")
    if recorded.features is None:
        return _impossible("the features that it was judged by were not recorded")
    if recorded.calibration is None:
        calibration = None
    elif calibration is None or calibration.version != recorded.calibration:
        return _impossible(f"the calibration {recorded.calibration} is gone")
    threshold = recorded.threshold
    gate = gate_of(recorded.mode, recorded.score_name, calibration, whole=threshold, prefix=threshold)
    again = (gate.judge_prefix if recorded.is_by_prefix else gate.judge)(recorded.features)
    is_same = _is_near(again.score, recorded.score) and _is_near(again.confidence, recorded.confidence)
    is_same = is_same and again.is_doubtful == recorded.is_doubtful
    return Replay(
        verdict=ReplayVerdict.SAME if is_same else ReplayVerdict.DIFFERENT,
        detail="the recorded features give the recorded confidence and decision"
        if is_same
        else "the recorded features give another confidence or decision than the one recorded",
        score=again.score,
        confidence=again.confidence,
        is_doubtful=again.is_doubtful,
    )


def _is_near(again: float | None, recorded: float) -> bool:
    # Numbers are kept in full; another machine's library may round the last digit of a logarithm another way.
    return again is not None and isclose(again, recorded, rel_tol=1e-9, abs_tol=1e-12)


def _impossible(detail: str) -> Replay:
    return Replay(verdict=ReplayVerdict.IMPOSSIBLE, detail=detail)
