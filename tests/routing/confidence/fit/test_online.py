"""What a gateway has recorded becomes scorers, evidence and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
import pytest

from routing.confidence.arming import Terms, arm
from routing.confidence.evidence import Graded
from routing.confidence.features import FEATURE_NAMES, Features, vector
from routing.confidence.fit.logistic import fit_logistic
from routing.confidence.fit.online import Fitted, Recorded, fit_online, scorer_of
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scorer import ScorerKind
from routing.confidence.unlabelled import confidences


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    value: float
    is_weighed: bool = True
    judged: str | None = "whole"
    prefix: Features | None = None
    whole: Features | None = None


def answer(sureness: float, tokens: int = 16) -> Features:
    """An answer whose first token has this probability and the others nearly."""
    each = log(sureness)
    return Features(
        tokens=tokens, sum_logprob=each * tokens, min_logprob=each - 0.5, q10_logprob=each - 0.25,
        q20_logprob=each - 0.125, first_logprob=each, first_margin=sureness, mean_entropy=-each, max_entropy=None,
    )  # fmt: skip


def labels(n: int, *, blind: bool = False, seed: int = 0, prefix: bool = False) -> list[Label]:
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        sureness = float(chance.uniform(0.05, 0.999))
        seen = float(chance.uniform(0.05, 0.999)) if blind else sureness
        value = float(chance.random() < 0.5 + sureness / 2)
        made.append(Label(value=value, whole=answer(seen), prefix=answer(seen, 4) if prefix else None))
    return made


def fitted(grades: Sequence[Label], recorded: Recorded | None = None) -> Fitted:
    found = fit_online(grades, recorded or Recorded(), version="v1.1", draws=100)
    assert found is not None
    return found


RECORDED = Recorded(whole=[answer(0.1 + 0.01 * k) for k in range(80)])


def test_a_scorer_gives_what_the_fit_gives() -> None:
    rows = [grade.whole for grade in labels(300) if grade.whole is not None]
    x = np.asarray([[np.nan if value is None else value for value in vector(row)] for row in rows])
    fit = fit_logistic(x, [grade.value for grade in labels(300)])
    scorer = scorer_of(fit)
    assert len(scorer.coefficients) == len(FEATURE_NAMES)
    assert [scorer.confidence(row) for row in rows] == pytest.approx(list(fit.predict(x)), abs=1e-9)


def test_200_labels_are_fitted_and_199_are_not() -> None:
    assert fitted(labels(200), RECORDED).calibration.whole.kind is ScorerKind.LOGISTIC
    few = fitted(labels(199), RECORDED)
    assert (few.calibration.whole.kind, few.calibration.labels, few.quality["whole"]) == (ScorerKind.RANK, 0, None)
    assert few.evidence.whole == Graded(confidences=confidences(few.calibration.whole, RECORDED.whole))


def test_labels_without_features_serve_for_nothing() -> None:
    grades = [*labels(199), Label(value=1.0, judged=None)]
    assert fitted(grades, RECORDED).calibration.whole.kind is ScorerKind.RANK


def test_with_neither_labels_nor_records_there_is_nothing_to_make_it_of() -> None:
    assert fit_online([], Recorded(whole=RECORDED.whole[:49]), version="v1.1") is None


def test_no_label_is_both_fitted_and_evidence() -> None:
    grades = labels(401)
    found = fitted(grades)
    wrong = sum(grade.value == 0 for grade in grades)
    held = len(found.evidence.whole.confidences)
    assert found.calibration.labels + held == 401
    assert sum(found.evidence.whole.wrong) == (wrong + 1) // 2
    assert held - sum(found.evidence.whole.wrong) == (401 - wrong) // 2
    kept = set(found.evidence.whole.confidences)
    rest = [
        (at, g) for at, g in enumerate(grades) if g.whole and found.calibration.whole.confidence(g.whole) not in kept
    ]
    x = np.asarray([[np.nan if v is None else v for v in vector(g.whole)] for _, g in rest if g.whole])
    weights = [0.5 ** (at / 2000) for at, _ in rest]
    assert found.calibration.whole == scorer_of(fit_logistic(x, [g.value for _, g in rest], weights))


def test_evidence_is_only_of_labels_that_a_bound_may_rest_on() -> None:
    grades = [replace(grade, is_weighed=at % 2 == 0) for at, grade in enumerate(labels(600))]
    found = fitted(grades)
    weighed = {found.calibration.whole.confidence(g.whole) for g in grades if g.is_weighed and g.whole}
    assert set(found.evidence.whole.confidences) <= weighed
    assert found.calibration.labels == 600 - len(found.evidence.whole.confidences)
    assert found.quality["whole"]["n"] == 300


@pytest.mark.parametrize("kind", [ScorerKind.LOGISTIC, ScorerKind.RANK])
def test_answers_that_nothing_could_judge_are_evidence_of_being_served_whatever_the_threshold(kind: ScorerKind) -> None:
    graded = labels(400) if kind is ScorerKind.LOGISTIC else [replace(grade, value=1.0) for grade in labels(400)]
    unjudged = [Label(value=0.0) for _ in range(100)]
    found = fitted([*graded, *unjudged], RECORDED)
    assert found.calibration.whole.kind is kind
    rows = list(zip(found.evidence.whole.confidences, found.evidence.whole.wrong, strict=True))
    # A part of all that is known, held back as of the others.
    assert rows.count((1.0, 1)) == pytest.approx(50 if kind is ScorerKind.LOGISTIC else 100, abs=15)
    terms = Terms(mode=ConfidenceMode.RISK, alpha=0.15, delta=0.1)
    assert not arm(terms, found.calibration, replace(found.evidence, auroc_low=None), 500).is_armed
    # Those of which it is not known that they were judged say nothing.
    elsewhere = [replace(label, judged=other) for label in unjudged for other in (None, "prefix")]
    assert fitted([*graded, *elsewhere], RECORDED).evidence.whole.wrong.count(1) <= sum(g.value == 0 for g in graded)


def test_where_too_few_may_carry_a_bound_all_are_measured() -> None:
    grades = [replace(grade, is_weighed=at < 150) for at, grade in enumerate(labels(600))]
    assert fitted(grades).quality["whole"]["n"] == 600


def test_newer_labels_count_more_in_the_fit() -> None:
    # Newest first: the recent ones say the opposite of the old ones.
    recent = labels(2000, seed=1)
    old = [replace(grade, value=1 - grade.value) for grade in labels(2000, seed=2)]
    scorer = fitted([*recent, *old]).calibration.whole
    assert (scorer.confidence(answer(0.95)) or 0) > (scorer.confidence(answer(0.1)) or 0)
    scorer = fitted([*old, *recent]).calibration.whole
    assert (scorer.confidence(answer(0.95)) or 0) < (scorer.confidence(answer(0.1)) or 0)


def test_a_score_that_tells_nothing_is_measured_and_refused() -> None:
    found = fitted(labels(400, blind=True))
    assert found.evidence.auroc_low is not None
    assert found.evidence.auroc_low == found.quality["whole"]["auroc"]["low"] < 0.55
    terms = Terms(mode=ConfidenceMode.RISK, alpha=0.1, delta=0.1)
    armed = arm(terms, found.calibration, found.evidence, 400)
    assert not armed.is_armed
    assert "hardly tells right answers from wrong ones" in armed.reason


def test_enough_labels_arm_a_risk() -> None:
    found = fitted(labels(1000))
    armed = arm(Terms(mode=ConfidenceMode.RISK, alpha=0.15, delta=0.1), found.calibration, found.evidence, 1000)
    assert armed.is_armed, armed.reason
    assert armed.whole_threshold is not None
    assert 0 < armed.whole_threshold < 1


def test_figures_are_plain_numbers() -> None:
    grades = labels(500)
    quality = fitted(grades).quality["whole"]
    assert quality["n"] == 500
    assert quality["base_rate"] == pytest.approx(sum(grade.value for grade in grades) / 500)
    for name in ("auroc", "ece", "brier"):
        assert quality[name]["low"] <= quality[name]["value"] <= quality[name]["high"]


def test_prefixes_have_a_scorer_of_their_own_as_soon_as_they_have_labels() -> None:
    without = fitted(labels(300), RECORDED)
    assert (without.calibration.prefix, without.evidence.prefix, without.quality["prefix"]) == (None, Graded(), None)

    starts = Recorded(whole=RECORDED.whole, prefix=RECORDED.whole)
    ranked = fitted([*labels(40, prefix=True), *labels(300)], starts)
    assert ranked.calibration.prefix is not None
    assert ranked.calibration.prefix.kind is ScorerKind.RANK
    assert len(ranked.evidence.prefix.wrong) == len(ranked.evidence.prefix.confidences) == 40

    own = fitted(labels(300, prefix=True), starts)
    assert own.calibration.prefix is not None
    assert own.calibration.prefix.kind is ScorerKind.LOGISTIC
    assert own.calibration.prefix != own.calibration.whole
    assert own.quality["prefix"]["n"] == 300


def test_starts_that_tell_nothing_are_not_judged_though_whole_answers_are() -> None:
    seen = labels(400, prefix=True)
    blind = [grade.prefix for grade in labels(400, blind=True, prefix=True, seed=1)]
    found = fitted([replace(grade, prefix=start) for grade, start in zip(seen, blind, strict=True)])
    assert found.calibration.prefix is None
    assert found.evidence.prefix == Graded()
    assert found.quality["prefix"]["auroc"]["low"] < 0.55 < found.quality["whole"]["auroc"]["low"]


def test_starts_longer_than_what_is_held_now_are_left_out() -> None:
    grades = labels(300, prefix=True)  # of 4 tokens
    longer = [replace(grade, prefix=answer(0.5, 40)) for grade in labels(300, seed=1)]
    found = fit_online([*grades, *longer], Recorded(), version="v1.1", hold_tokens=4, draws=100)
    assert found is not None
    assert (found.quality["prefix"]["n"], found.calibration.prefix_tokens) == (300, 4)
    assert found.quality["whole"]["n"] == 600


def test_answers_that_are_all_right_are_ranked_and_graded_all_the_same() -> None:
    grades = [replace(grade, value=1.0) for grade in labels(400)]
    found = fitted(grades, RECORDED)
    assert found.calibration.whole.kind is ScorerKind.RANK
    assert found.evidence.auroc_low is None
    armed = arm(Terms(mode=ConfidenceMode.RISK, alpha=0.1, delta=0.1), found.calibration, found.evidence, 400)
    assert armed.is_armed
    assert armed.whole_threshold == 0.0


@pytest.mark.parametrize("mode", list(ConfidenceMode))
@pytest.mark.parametrize("weighed", [0, 10, 400])
@pytest.mark.parametrize("prefixes", [0, 30, 400])
def test_whatever_there_is_every_mode_is_decided(mode: ConfidenceMode, weighed: int, prefixes: int) -> None:
    grades = [
        replace(grade, is_weighed=at < weighed, prefix=grade.whole if at >= 400 - prefixes else None)
        for at, grade in enumerate(labels(400))
    ]
    found = fitted(grades, Recorded(whole=RECORDED.whole, prefix=RECORDED.whole))
    evidence = replace(found.evidence, mu_large=0.95, cost_large_usd=0.01)
    terms = Terms(mode=mode, share=0.2, alpha=0.2, delta=0.1, value_usd=0.5)
    assert arm(terms, found.calibration, evidence, 400).reason


def right_by(sureness: float) -> float:
    """How likely an answer of `labels` is right."""
    return 0.5 + sureness / 2


def test_the_risk_is_kept_in_as_many_draws_of_labels_as_was_promised() -> None:
    """The risk of a threshold is exact here: answers are spread evenly over what is known of each."""
    draws, alpha, delta = 120, 0.15, 0.1
    everybody = [0.05 + 0.949 * (at + 0.5) / 1000 for at in range(1000)]
    missed, shares = 0, []
    for seed in range(draws):
        found = fit_online(labels(400, seed=seed), Recorded(), version="v1.1", draws=5)
        assert found is not None
        evidence = replace(found.evidence, auroc_low=None)  # of so few draws it says nothing
        armed = arm(Terms(mode=ConfidenceMode.RISK, alpha=alpha, delta=delta), found.calibration, evidence, 400)
        least, judge = armed.whole_threshold, found.calibration.whole
        served = [s for s in everybody if least is not None and (judge.confidence(answer(s)) or 0) >= least]
        missed += sum(1 - right_by(s) for s in served) / len(everybody) > alpha
        shares.append(len(served) / len(everybody))
    assert missed / draws <= delta + 3 * (delta * (1 - delta) / draws) ** 0.5
    assert sum(shares) / draws > 0.5  # of 0.8 that a perfect threshold serves
