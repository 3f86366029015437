from math import exp

import pytest

from routing.confidence.gate import ConfidenceMode, Gate, Judgement
from routing.confidence.scores import ScoreName
from routing.confidence.tally import tally

FEATURES = tally([("yes", -0.2231435513142097), (".", -0.5)])
THRESHOLD = Gate(mode=ConfidenceMode.THRESHOLD, score_name=ScoreName.FIRST_TOKEN, minimum=0.9)


def test_a_judgement_tells_score_features_and_threshold() -> None:
    expected = Judgement(
        score_name=ScoreName.FIRST_TOKEN, score=exp(-0.2231435513142097), features=FEATURES, threshold=0.9
    )
    assert THRESHOLD.judge(FEATURES) == expected


def test_without_features_there_is_no_score() -> None:
    judgement = THRESHOLD.judge(None)
    assert (judgement.score, judgement.features, judgement.threshold) == (None, None, 0.9)


def test_a_score_that_has_no_basis_is_absent_though_others_are_there() -> None:
    punctuation = tally([("...", -0.5)])
    assert punctuation is not None
    assert THRESHOLD.judge(punctuation).score is None
    assert not THRESHOLD.judge(punctuation).is_doubtful


@pytest.mark.parametrize(
    ("score", "threshold", "doubtful"),
    [
        pytest.param(0.79, 0.8, True, id="below the threshold"),
        pytest.param(0.8, 0.8, False, id="on the threshold"),
        pytest.param(0.81, 0.8, False, id="above the threshold"),
        pytest.param(0.0, 0.0, False, id="nothing is below a threshold of 0"),
        pytest.param(None, 0.8, False, id="absence is no evidence of doubt"),
        pytest.param(0.0, None, False, id="nothing was compared"),
        pytest.param(None, None, False, id="nothing to compare"),
    ],
)
def test_doubt(score: float | None, threshold: float | None, doubtful: bool) -> None:
    judgement = Judgement(score_name=ScoreName.MEAN_LOGPROB, score=score, features=None, threshold=threshold)
    assert judgement.is_doubtful is doubtful


def test_observing_scores_without_comparing() -> None:
    judgement = Gate().judge(FEATURES)
    assert judgement.score is not None
    assert judgement.threshold is None
    assert not judgement.is_doubtful


@pytest.mark.parametrize(
    ("mode", "asks"),
    [(ConfidenceMode.NONE, False), (ConfidenceMode.OBSERVE, True), (ConfidenceMode.THRESHOLD, True)],
)
def test_logprobs_are_asked_for_unless_the_route_wants_no_confidence(mode: ConfidenceMode, asks: bool) -> None:
    assert Gate(mode=mode).asks is asks
