"""From labels to a score and a threshold: halves, folds, weights, and when a score is refused."""

import numpy as np
import pytest
from scipy.special import expit

from routing.confidence.fit.calibrate import (
    MIN_AUROC,
    Labels,
    calibrate,
    cross_fit,
    halve,
    refuse_if_blind,
    thin,
)
from routing.confidence.fit.logistic import OneClassOnly, fit_logistic
from routing.confidence.fit.quality import auroc, ece
from routing.confidence.fit.targets import Budget, Risk, SelectiveRisk, Threshold, Utility


def labelled(n: int, *, seed: int = 0, signal: float = 1.5, base: float = 1.0, k: int = 3) -> Labels:
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(n, k))
    return Labels(x=x, correct=(chance.random(n) < expit(base + signal * x[:, 0])).astype(float))


def test_a_calibration_is_the_same_for_the_same_seed() -> None:
    labels = labelled(400)
    first = calibrate(labels, Risk(), seed=1, draws=50)
    assert first == calibrate(labels, Risk(), seed=1, draws=50)
    assert first.decision.threshold != calibrate(labels, Risk(), seed=2, draws=50).decision.threshold


def test_for_a_guarantee_the_fit_and_the_threshold_use_different_labels() -> None:
    labels = labelled(401)
    found = calibrate(labels, Risk(), draws=50)
    fitting, setting = halve(labels)
    assert (found.n, found.n_fit, found.n_threshold) == (401, len(fitting), len(setting))
    assert len(fitting) + len(setting) == 401
    both = np.concatenate([fitting.x, setting.x])
    assert np.array_equal(both[np.lexsort(both.T)], labels.x[np.lexsort(labels.x.T)])
    assert found.fit == fit_logistic(fitting.x, fitting.correct)


def test_an_odd_wrong_answer_goes_to_the_threshold() -> None:
    labels = Labels(x=np.arange(10.0)[:, None], correct=np.array([0, 0, 0] + [1] * 7, dtype=float))
    fitting, setting = halve(labels)
    assert sorted(fitting.correct) == [0, 1, 1, 1, 1]
    assert sorted(setting.correct) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("target", [Budget(0.25), Threshold(0.5), Utility(1.0, 0.1, 0.95)])
def test_without_a_guarantee_all_labels_fit(target: Budget | Threshold | Utility) -> None:
    found = calibrate(labelled(400), target, draws=50)
    assert (found.n_fit, found.n_threshold, found.decision.feasible) == (400, 400, True)


def test_a_budget_falls_back_on_its_share() -> None:
    assert calibrate(labelled(400), Budget(0.25), draws=50).decision.accepted_share == 0.75


def test_out_of_fold_probabilities_are_calibrated_and_do_not_see_their_own_label() -> None:
    labels = labelled(2000)
    assert ece(cross_fit(labels), labels.correct) < 0.04
    # Forty features of noise: a fit on its own rows finds something, out of fold there is nothing.
    noise = labelled(300, signal=0, k=40)
    inside = fit_logistic(noise.x, noise.correct).predict(noise.x)
    assert auroc(inside, noise.correct) > 0.65
    assert abs(auroc(cross_fit(noise), noise.correct) - 0.5) < 0.1


def test_a_rare_class_makes_fewer_folds_but_no_failure() -> None:
    labels = Labels(x=np.arange(20.0)[:, None], correct=np.array([0, 0] + [1] * 18, dtype=float))
    assert np.isfinite(cross_fit(labels)).all()
    assert not calibrate(labels, Risk(), draws=20).decision.feasible


@pytest.mark.parametrize(("wrong", "said"), [(0, "0 of 30 labelled answers are wrong"), (29, "1 of 30 .* are right")])
def test_two_of_each_kind_are_needed(wrong: int, said: str) -> None:
    labels = Labels(x=np.arange(30.0)[:, None], correct=np.array([0] * wrong + [1] * (30 - wrong), dtype=float))
    with pytest.raises(OneClassOnly, match=said):
        calibrate(labels, Budget(0.2))


@pytest.mark.parametrize("target", [Risk(), SelectiveRisk(0.3), Budget(0.2), Utility(1, 0.1, 0.9)])
def test_from_200_labels_on_a_score_that_tells_nothing_is_refused(
    target: Risk | SelectiveRisk | Budget | Utility,
) -> None:
    found = calibrate(labelled(1000, signal=0, base=0.5), target)
    assert found.quality.auroc.low < MIN_AUROC
    assert (found.decision.feasible, found.decision.threshold, found.decision.accepted_share) == (False, None, None)
    assert "AUROC" in found.decision.reason


def test_fewer_labels_are_too_few_to_refuse_a_score() -> None:
    assert calibrate(labelled(190, signal=0), Budget(0.2)).decision.feasible
    assert not calibrate(labelled(200, signal=0), Budget(0.2)).decision.feasible


def test_a_threshold_of_somebody_s_own_is_not_refused() -> None:
    assert calibrate(labelled(400, signal=0), Threshold(0.5)).decision.feasible


def test_a_target_that_holds_with_all_served_needs_no_score() -> None:
    found = calibrate(labelled(1000, signal=0, base=4), Risk())
    assert found.quality.auroc.low < MIN_AUROC
    assert (found.decision.feasible, found.decision.threshold, found.decision.accepted_share) == (True, 0.0, 1.0)


def test_a_good_score_is_left_as_it_is() -> None:
    found = calibrate(labelled(600), Budget(0.2))
    assert refuse_if_blind(found.decision, found.quality, Budget(0.2)) is found.decision


def test_labels_without_propensities_are_not_thinned_nor_are_equal_ones() -> None:
    labels = labelled(100)
    assert len(thin(labels)) == 100
    alike = Labels(x=labels.x, correct=labels.correct, propensity=np.full(100, 0.02))
    assert len(thin(alike)) == 100


def test_thinning_undoes_a_choice_of_labels_by_confidence() -> None:
    everything = labelled(60_000, seed=3)
    # Unsure answers are labelled ten times as often.
    propensity = np.where(everything.x[:, 0] < 0, 0.5, 0.05)
    chosen = np.flatnonzero(np.random.default_rng(4).random(60_000) < propensity)
    labels = Labels(x=everything.x, correct=everything.correct, propensity=propensity).at(chosen)
    assert labels.correct.mean() < everything.correct.mean() - 0.1
    thinned = thin(labels)
    assert thinned.correct.mean() == pytest.approx(everything.correct.mean(), abs=0.02)
    assert (thinned.x[:, 0] < 0).mean() == pytest.approx(0.5, abs=0.03)


def test_importance_undoes_it_for_fit_and_budget() -> None:
    everything = labelled(40_000, seed=3)
    propensity = np.where(everything.x[:, 0] < 0, 0.5, 0.05)
    chosen = np.flatnonzero(np.random.default_rng(4).random(40_000) < propensity)
    labels = Labels(x=everything.x, correct=everything.correct, propensity=propensity).at(chosen)
    found = calibrate(labels, Budget(0.2), draws=20)
    assert found.decision.threshold is not None
    below = np.mean(found.fit.predict(everything.x) < found.decision.threshold)
    assert below == pytest.approx(0.2, abs=0.02)
    unweighted = calibrate(Labels(x=labels.x, correct=labels.correct), Budget(0.2), draws=20)
    assert unweighted.decision.threshold is not None
    assert np.mean(unweighted.fit.predict(everything.x) < unweighted.decision.threshold) < 0.15


def test_weights_of_the_fit_and_importance_multiply() -> None:
    x, correct = np.arange(4.0)[:, None], np.array([0.0, 1, 0, 1])
    weights, propensity = np.array([1.0, 2, 3, 4]), np.array([0.5, 1, 0.5, 1])
    both = Labels(x=x, correct=correct, weights=weights, propensity=propensity).fit_weights
    assert both is not None
    assert both.tolist() == [2, 2, 6, 4]
    assert Labels(x=x, correct=correct, weights=weights).fit_weights is weights
    assert Labels(x=x, correct=correct).fit_weights is None
