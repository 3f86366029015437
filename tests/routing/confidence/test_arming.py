from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence import arming
from routing.confidence.arming import Arming, Terms, arm, tightened
from routing.confidence.evidence import Evidence, Graded
from routing.confidence.fit import calibrate
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scorer import Calibration, Scorer
from tests.fakes.calibrations import RANK, calibration, graded

BUDGET = Terms(mode=ConfidenceMode.BUDGET, share=0.2)
RISK = Terms(mode=ConfidenceMode.RISK, alpha=0.1, delta=0.1)
SELECTIVE = Terms(mode=ConfidenceMode.SELECTIVE_RISK, alpha=0.1, delta=0.1)
UTILITY = Terms(mode=ConfidenceMode.UTILITY, value_usd=0.01)
KNOWN = Evidence(
    whole=graded(200, [50, 100, 150, 180]), prefix=graded(100), auroc_low=0.8, mu_large=0.95, cost_large_usd=0.002
)
FITTED = calibration()


def armed(terms: Terms, evidence: Evidence = KNOWN, *, labels: int = 400, scorer: Calibration = FITTED) -> Arming:
    return arm(terms, scorer, evidence, labels)


def test_a_fixed_threshold_needs_nothing_to_act() -> None:
    found = arm(Terms(mode=ConfidenceMode.THRESHOLD), None, Evidence(), 0)
    assert (found.is_armed, found.whole_threshold, found.prefix_threshold) == (True, None, None)


@pytest.mark.parametrize("mode", [ConfidenceMode.NONE, ConfidenceMode.OBSERVE])
def test_a_mode_that_compares_no_confidence_is_never_armed(mode: ConfidenceMode) -> None:
    found = armed(Terms(mode=mode))

    assert (found.is_armed, found.whole_threshold, found.prefix_threshold) == (False, None, None)
    assert str(mode) in found.reason


@pytest.mark.parametrize("alpha", [0.0330976, 0.033098])
def test_risk_serves_as_long_as_the_bound_on_the_share_served_and_wrong_is_within_alpha(alpha: float) -> None:
    """The upper bound on the rate behind 3 events of 200 is 0.0330975 at delta 0.1."""
    found = armed(replace(RISK, alpha=alpha))

    # The three surest of four wrong answers are served, and all right ones before the fourth, the 181st.
    assert found.is_armed
    assert found.whole_threshold == pytest.approx(1 - 180 / 200)
    assert "90 % of the labelled answers are served" in found.reason


def test_risk_serves_less_where_the_bound_would_be_exceeded_in_the_last_digit() -> None:
    assert armed(replace(RISK, alpha=0.0330974)).whole_threshold == pytest.approx(1 - 150 / 200)


def test_prefixes_have_a_threshold_of_their_own() -> None:
    found = armed(RISK, replace(KNOWN, prefix=graded(100, range(60, 100))))

    # At most 5 wrong of 100 are within 0.1 at delta 0.1.
    assert found.prefix_threshold == pytest.approx(1 - 65 / 100)


def test_prefixes_that_cannot_meet_a_target_are_not_judged_and_the_reason_says_so() -> None:
    found = armed(RISK, replace(KNOWN, prefix=graded(10)))

    assert found.is_armed
    assert found.whole_threshold is not None
    assert found.prefix_threshold is None
    assert "The starts of streams are not judged" in found.reason
    assert "needs 22 labels" in found.reason


def test_without_evidence_of_prefixes_only_whole_answers_are_judged() -> None:
    found = armed(RISK, replace(KNOWN, prefix=Graded()))

    assert found.is_armed
    assert found.prefix_threshold is None


@pytest.mark.parametrize(
    ("last", "served"),
    [
        pytest.param(45, 45, id="2 wrong of 46 are not shown to be under 0.1: the first 45 are served"),
        pytest.param(52, 200, id="2 wrong of 53 are, and so is all that follows"),
    ],
)
def test_selective_risk_serves_until_the_first_test_that_fails(last: int, served: int) -> None:
    """The binomial probability of 1 or fewer of 41 is 0.0739 at rate 0.1, of 2 or fewer of 46 0.1484, of 53 0.0898."""
    found = armed(SELECTIVE, replace(KNOWN, whole=graded(200, [40, last])))

    assert found.is_armed
    assert found.whole_threshold == pytest.approx(1 - served / 200)


@pytest.mark.parametrize(
    ("terms", "evidence", "sentence"),
    [
        (replace(RISK, alpha=0.015), graded(200, range(100)), "not even the surest answers are right often enough"),
        (replace(RISK, alpha=0.01), graded(200, range(4)), "needs 230 labels for the threshold; there are 200"),
        (SELECTIVE, graded(200, range(0, 200, 2)), "of the surest 15 %, 15 of 30 are wrong"),
    ],
)
def test_a_target_that_cannot_be_met_is_refused_with_the_reason(terms: Terms, evidence: Graded, sentence: str) -> None:
    found = armed(terms, replace(KNOWN, whole=evidence))

    assert (found.is_armed, found.whole_threshold, found.prefix_threshold) == (False, None, None)
    assert sentence in found.reason


def test_a_refusal_says_how_much_would_have_to_fall_back_under_any_score() -> None:
    """The least share that abstains is (mu - alpha) / (1 - alpha) for a selective risk, with base error mu."""
    found = armed(SELECTIVE, replace(KNOWN, whole=graded(200, range(0, 200, 2))))

    assert found.reason.endswith("under any score whatever at least 44.4 % would have to fall back")


def test_utility_falls_back_below_the_fallbacks_accuracy_less_its_price() -> None:
    found = armed(UTILITY)

    assert found.is_armed
    assert found.whole_threshold == found.prefix_threshold == pytest.approx(0.95 - 0.002 / 0.01)


def test_utility_never_falls_back_where_no_gain_is_worth_the_price() -> None:
    found = armed(replace(UTILITY, value_usd=0.001))

    assert found.is_armed
    assert found.whole_threshold == 0


@pytest.mark.parametrize(
    ("evidence", "scorer", "sentence"),
    [
        (replace(KNOWN, mu_large=None), FITTED, "how often the fallback is right"),
        (replace(KNOWN, cost_large_usd=None), FITTED, "give its model a price"),
        (KNOWN, calibration(whole=RANK), "needs a confidence that is a probability"),
    ],
)
def test_utility_says_what_it_lacks(evidence: Evidence, scorer: Calibration, sentence: str) -> None:
    found = armed(UTILITY, evidence, scorer=scorer)

    assert not found.is_armed
    assert sentence in found.reason


def test_a_budget_needs_neither_labels_nor_a_calibration() -> None:
    found = arm(BUDGET, None, Evidence(), 0)

    assert (found.is_armed, found.whole_threshold, found.prefix_threshold) == (True, None, None)
    assert "raw scores" in found.reason


def test_a_budget_begins_where_its_share_lies_below() -> None:
    found = armed(BUDGET, labels=0, scorer=calibration(whole=RANK, labels=0))

    assert found.is_armed
    assert sum(value < (found.whole_threshold or 0) for value in KNOWN.whole.confidences) == 40
    assert sum(value < (found.prefix_threshold or 0) for value in KNOWN.prefix.confidences) == 20


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0.01, 0.99))
def test_a_budget_never_begins_with_more_than_its_share_below(confidences: list[float], share: float) -> None:
    begun = armed(replace(BUDGET, share=share), Evidence(whole=Graded(confidences=tuple(confidences))), labels=0)

    assert begun.whole_threshold is not None
    assert sum(value < begun.whole_threshold for value in confidences) <= share * len(confidences)


@pytest.mark.parametrize(
    ("terms", "labels", "sentence"),
    [
        (RISK, 299, "mode risk needs 300 labels; there are 299"),
        (SELECTIVE, 299, "mode selective_risk needs 300 labels; there are 299"),
        (UTILITY, 199, "mode utility needs 200 labels; there are 199"),
    ],
)
def test_too_few_labels_are_refused_with_their_number(terms: Terms, labels: int, sentence: str) -> None:
    assert armed(terms, labels=labels) == Arming(is_armed=False, reason=sentence)
    assert armed(terms, labels=labels + 1).is_armed


@pytest.mark.parametrize("terms", [BUDGET, RISK, SELECTIVE, UTILITY], ids=lambda terms: str(terms.mode))
def test_a_blind_score_is_not_acted_on(terms: Terms) -> None:
    found = armed(terms, replace(KNOWN, auroc_low=0.549))

    assert not found.is_armed
    assert "hardly tells right answers from wrong ones" in found.reason
    assert "0.549, under 0.55" in found.reason
    assert armed(terms, replace(KNOWN, auroc_low=0.55)).is_armed


def test_a_budget_is_not_refused_by_fewer_labels_than_show_anything() -> None:
    assert armed(BUDGET, replace(KNOWN, auroc_low=0.3), labels=199).is_armed


def test_without_labels_beside_those_of_the_fit_nothing_is_armed() -> None:
    found = armed(RISK, replace(KNOWN, whole=Graded()))

    assert not found.is_armed
    assert "no labels left for the threshold" in found.reason


def test_audits_that_find_more_errors_tighten_risk_and_nothing_else() -> None:
    hungry = replace(KNOWN, whole=graded(200, range(100, 200)), alpha_shift=-0.03)

    def threshold(terms: Terms, evidence: Evidence) -> float:
        return armed(terms, evidence).whole_threshold or 0.0

    assert threshold(RISK, hungry) == threshold(replace(RISK, alpha=0.07), replace(hungry, alpha_shift=0.0))
    assert threshold(RISK, hungry) > threshold(RISK, replace(hungry, alpha_shift=0.0))
    assert threshold(SELECTIVE, hungry) == threshold(SELECTIVE, replace(hungry, alpha_shift=0.0))


@given(st.floats(0.001, 0.999), st.floats(-2, 2))
def test_tightening_is_bounded_and_never_loosens(alpha: float, shift: float) -> None:
    assert alpha / 2 <= tightened(alpha, shift) <= alpha


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60), st.floats(0.05, 0.5))
def test_a_stricter_alpha_never_serves_more(answers: list[tuple[float, int]], alpha: float) -> None:
    confidences, wrong = zip(*answers, strict=True)
    evidence = Evidence(whole=Graded(confidences=confidences, wrong=wrong))
    strict, loose = (armed(replace(RISK, alpha=bound), evidence) for bound in (alpha / 2, alpha))

    assert loose.is_armed or not strict.is_armed
    if strict.whole_threshold is not None and loose.whole_threshold is not None:
        assert strict.whole_threshold >= loose.whole_threshold


def test_online_and_offline_ask_for_as_much() -> None:
    assert (arming.MIN_FIT_LABELS, arming.MIN_RISK_LABELS, arming.MIN_AUROC) == (
        calibrate.MIN_FIT_LABELS,
        calibrate.MIN_RISK_LABELS,
        calibrate.MIN_AUROC,
    )


def test_a_scorer_of_another_kind_is_no_obstacle_to_a_guarantee() -> None:
    assert armed(RISK, scorer=calibration(whole=Scorer(kind=RANK.kind, grid=RANK.grid))).is_armed
