"""Gates and judgements in the simplest form that has them."""

from routing.confidence.gate import ConfidenceMode, Gate, Judgement, Yardstick
from routing.confidence.scores import ScoreName


def threshold_gate(minimum: float | None, score_name: ScoreName = ScoreName.MEAN_LOGPROB) -> Gate:
    """A gate that compares a raw score with a fixed number."""
    yardstick = Yardstick(threshold=minimum)
    return Gate(mode=ConfidenceMode.THRESHOLD, score_name=score_name, whole=yardstick, prefix=yardstick, late=yardstick)


def judged(score: float | None, threshold: float | None = 0.8) -> Judgement:
    """What a gate without a calibration makes of a score."""
    return Judgement(
        score_name=ScoreName.MEAN_LOGPROB,
        score=score,
        confidence=score,
        calibration=None,
        threshold=threshold,
        is_doubtful=score is not None and threshold is not None and score < threshold,
        features=None,
    )
