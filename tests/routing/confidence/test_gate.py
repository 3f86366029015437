from math import exp, inf, log

import pytest

from routing.confidence.budget import STEP, BudgetTracker
from routing.confidence.features import FEATURE_NAMES, Features
from routing.confidence.gate import ConfidenceMode, Gate, Judgement, gate_of
from routing.confidence.scorer import Calibration, Scorer, ScorerKind
from routing.confidence.scores import ScoreName
from routing.confidence.tally import tally
from tests.fakes.judging import threshold_gate

FEATURES = tally([("yes", -0.2231435513142097), (".", -0.5)])
THRESHOLD = threshold_gate(0.9, ScoreName.FIRST_TOKEN)


def test_a_judgement_tells_score_features_and_threshold() -> None:
    expected = Judgement(
        score_name=ScoreName.FIRST_TOKEN,
        score=exp(-0.2231435513142097),
        confidence=exp(-0.2231435513142097),
        calibration=None,
        threshold=0.9,
        is_doubtful=True,
        features=FEATURES,
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
        pytest.param(0.8, 0.7999999999999999, False, id="on the threshold"),
        pytest.param(0.81, 0.8, False, id="above the threshold"),
        pytest.param(0.0, 0.0, False, id="nothing is below a threshold of 0"),
        pytest.param(None, 0.8, False, id="absence is no evidence of doubt"),
        pytest.param(0.0, None, False, id="nothing was compared"),
        pytest.param(None, None, False, id="nothing to compare"),
    ],
)
def test_doubt(score: float | None, threshold: float | None, doubtful: bool) -> None:
    features = None if score is None else certain(score)
    assert threshold_gate(threshold).judge(features).is_doubtful is doubtful


def certain(probability: float) -> Features:
    """Of an answer of one token."""
    logprob = log(probability) if probability else -inf
    return Features(
        tokens=1, sum_logprob=logprob, min_logprob=logprob, q10_logprob=logprob, q20_logprob=logprob, first_logprob=0.0
    )


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


def logistic(intercept: float) -> Scorer:
    """Confidence that depends on the mean log-probability only."""
    coefficients = tuple(2.0 if name == "mean_logprob" else 0.0 for name in FEATURE_NAMES)
    return Scorer(
        kind=ScorerKind.LOGISTIC, intercept=intercept, coefficients=coefficients, means=(0.0,) * len(FEATURE_NAMES)
    )


CALIBRATION = Calibration(version="support-v2.3", labels=400, whole=logistic(1.0), prefix=logistic(0.0))


def test_with_a_calibration_confidence_is_what_is_compared_and_the_score_stays_raw() -> None:
    gate = gate_of(ConfidenceMode.RISK, ScoreName.MEAN_LOGPROB, CALIBRATION, whole=0.7, prefix=0.4, late=0.7)
    judgement = gate.judge(certain(exp(-0.5)))

    assert judgement.score == pytest.approx(exp(-0.5))
    assert judgement.confidence == pytest.approx(0.5)  # the logistic of 1 - 2 * 0.5
    assert (judgement.calibration, judgement.threshold) == ("support-v2.3", 0.7)
    assert judgement.is_doubtful, "confidence is below the threshold, though the score is not"


def test_a_prefix_has_a_scorer_and_a_threshold_of_its_own() -> None:
    gate = gate_of(ConfidenceMode.RISK, ScoreName.MEAN_LOGPROB, CALIBRATION, whole=0.7, prefix=0.2, late=0.7)
    judgement = gate.judge_prefix(certain(exp(-0.5)))
    assert judgement.confidence == pytest.approx(1 / (1 + exp(1.0)))
    assert (judgement.threshold, judgement.is_doubtful) == (0.2, False)


def test_a_mode_that_is_not_armed_observes_with_what_calibration_there_is() -> None:
    gate = gate_of(ConfidenceMode.RISK, ScoreName.MEAN_LOGPROB, CALIBRATION)
    judgement = gate.judge(certain(0.01))
    assert (judgement.calibration, judgement.threshold, judgement.is_doubtful) == ("support-v2.3", None, False)
    assert not gate.acts


def test_threshold_mode_compares_the_raw_score_though_there_is_a_calibration() -> None:
    gate = gate_of(ConfidenceMode.THRESHOLD, ScoreName.MEAN_LOGPROB, CALIBRATION, whole=0.55)
    judgement = gate.judge(certain(0.6))
    assert judgement.confidence is not None
    assert judgement.confidence < 0.55
    assert not judgement.is_doubtful


def test_each_kind_of_judgement_moves_its_own_tracker_after_it_was_compared() -> None:
    whole, prefix, late = (BudgetTracker(0.2, 0.5) for _ in range(3))
    gate = gate_of(ConfidenceMode.BUDGET, ScoreName.MEAN_LOGPROB, None, whole=whole, prefix=prefix, late=late)

    assert gate.judge(certain(0.4)).threshold == 0.5
    assert whole.threshold == pytest.approx(0.5 - 0.8 * STEP)
    assert (prefix.threshold, late.threshold) == (0.5, 0.5)
    assert not gate.judge_prefix(certain(0.6)).is_doubtful
    assert prefix.threshold == pytest.approx(0.5 + 0.2 * STEP)
    gate.judge_late(None)
    assert late.threshold == 0.5, "an answer without a score says nothing about the budget"
