"""Targets: what they refuse, and which threshold each sets."""

from collections.abc import Callable

import pytest

from routing.confidence.fit.targets import Budget, Risk, SelectiveRisk, Target, Threshold, Utility, arm, has_guarantee

SCORES = [at / 100 for at in range(100)]
CORRECT = [at >= 40 for at in range(100)]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Threshold(1.1), "from 0 to 1"),
        (lambda: Budget(-0.1), "share that may fall back"),
        (lambda: Budget(float("nan")), "share that may fall back"),
        (lambda: Risk(alpha=0), "alpha must lie between 0 and 1"),
        (lambda: Risk(delta=1), "delta must lie between 0 and 1"),
        (lambda: SelectiveRisk(alpha=1), "alpha must lie between 0 and 1"),
        (lambda: SelectiveRisk(delta=0), "delta must lie between 0 and 1"),
        (lambda: Utility(0, 0.1, 0.9), "value of a correct answer must be above 0"),
        (lambda: Utility(1, -0.1, 0.9), "cost must be at least 0"),
        (lambda: Utility(1, 0.1, 1.9), "accuracy of the larger model"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(build: Callable[[], Target], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()


@pytest.mark.parametrize(
    ("target", "accepted"),
    [
        # With 100 labels, alpha 0.1 and delta 0.1, five errors are allowed in all.
        (Risk(), 0.65),
        (Threshold(0.25), 0.75),
        (Budget(0.2), 0.8),
        (Utility(value_usd=2.0, fallback_cost_usd=0.4, fallback_accuracy=0.9), 0.3),
    ],
    ids=["risk", "threshold", "budget", "utility"],
)
def test_each_target_sets_its_threshold(target: Target, accepted: float) -> None:
    assert arm(target, SCORES, CORRECT).accepted_share == pytest.approx(accepted)


def test_a_risk_among_the_served_looks_at_the_served_alone() -> None:
    # One error more or less of 60 answers, not of 100.
    share = arm(SelectiveRisk(), SCORES, CORRECT).accepted_share
    assert share is not None
    assert 0.6 <= share < 0.65


def test_a_guarantee_is_refused_for_labels_of_unequal_weight() -> None:
    for target in (Risk(), SelectiveRisk()):
        assert has_guarantee(target)
        with pytest.raises(ValueError, match="equal weight"):
            arm(target, SCORES, CORRECT, weights=[1.0] * 100)
    assert not has_guarantee(Budget(0.2))
