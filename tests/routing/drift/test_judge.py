from dataclasses import asdict
from math import isfinite

import pytest

from routing.drift.features import FEATURES, Family, Side
from routing.drift.judge import Finding, judge
from routing.drift.reference import Reference
from routing.drift.summary import Gatherer, Summary
from tests.routing.drift.texts import ASKS, GERMAN, PRODUCTS, reference_of, summary_of, texts

ALPHA = 1e-4
REFERENCE = reference_of(texts(2500, 1))


def alarms(window: Summary) -> list[Finding]:
    return [found for found in judge(REFERENCE, window, alpha=ALPHA) if found.is_alarm]


def test_the_same_kind_of_requests_is_no_drift() -> None:
    for seed in range(10, 40):
        assert alarms(summary_of(texts(500, seed))) == []


def test_another_language_is_drift_and_the_language_comes_first() -> None:
    found = alarms(summary_of(texts(300, 2) + texts(200, 3, asks=GERMAN)))
    assert found[0].family is Family.LANGUAGE
    assert "language" in {one.name for one in found}


def test_a_new_product_is_drift_of_the_vocabulary() -> None:
    found = alarms(summary_of(texts(300, 2) + texts(200, 3, products=["thermostat"])))
    assert [one.family for one in found] == [Family.VOCABULARY]
    assert found[0].name == "new_word"
    assert found[0].current_mean == pytest.approx(0.4)


def test_longer_requests_are_drift_of_the_length() -> None:
    found = alarms(summary_of(texts(500, 2, together=3)))
    assert [one.family for one in found[:2]] == [Family.LENGTH, Family.LENGTH]
    first = found[0]
    assert first.current_mean is not None
    assert first.reference_mean is not None
    assert first.current_mean > first.reference_mean + 1
    assert {one.family for one in found} <= {Family.LENGTH, Family.FORM}  # shares of long texts vary less


def test_a_text_that_everybody_sends_is_drift() -> None:
    found = alarms(summary_of(texts(250, 2) + ["Status of 1?"] * 250))
    assert "template" in {one.name for one in found}


def test_a_window_of_a_hundred_is_no_alarm_by_its_size_alone() -> None:
    assert [alarms(summary_of(texts(100, seed))) for seed in range(50, 70)] == [[]] * 20


def test_fewer_words_than_the_reference_has_are_no_new_ones() -> None:
    window = summary_of(texts(500, 2, products=PRODUCTS[:1], asks=ASKS[:1]))
    names = {one.name for one in alarms(window)}
    assert not names & {"new_word", "unknown_words"}


@pytest.mark.parametrize(
    "window",
    [Summary(), summary_of([""]), summary_of(["x"] * 200), summary_of(["\ud800"] * 200), summary_of(texts(99, 5))],
    ids=["empty", "one", "single value", "no text", "too few"],
)
def test_nothing_is_ever_not_a_number_and_what_cannot_be_said_has_a_reason(window: Summary) -> None:
    for found in judge(REFERENCE, window, alpha=ALPHA):
        numbers = [value for value in asdict(found).values() if isinstance(value, float)]
        assert all(isfinite(value) for value in numbers)
        if found.note is not None:
            assert not found.is_alarm


def test_a_window_that_is_too_small_is_told() -> None:
    found = judge(REFERENCE, summary_of(texts(99, 5)), alpha=ALPHA)
    assert {one.note for one in found if one.name == "input_length"} == {
        "the window has 99 values of it, fewer than 100"
    }


def test_a_feature_with_one_value_is_told() -> None:
    found = {one.name: one for one in judge(REFERENCE, summary_of(texts(500, 5)), alpha=ALPHA)}
    assert found["turns"].note == "it has one value only, in the reference and now"


def test_an_empty_reference_is_told() -> None:
    found = judge(Reference(Side.INPUT, []), summary_of(texts(500, 5)), alpha=ALPHA)
    assert {one.note for one in found} == {"the reference has no value of it"}


def outputs(n: int, *, invalid: float, confidence: float, seed: int) -> Summary:
    import numpy as np

    chance = np.random.default_rng(seed)
    gatherer = Gatherer()
    for _ in range(n):
        gatherer.add_output(
            {"confidence": float(chance.beta(20 * confidence, 20 * (1 - confidence)))},
            {"invalid": "yes" if chance.random() < invalid else "no", "finish_reason": "stop"},
        )
    return gatherer.take()


def test_answers_have_features_of_their_own() -> None:
    reference = Reference(Side.OUTPUT, [outputs(200, invalid=0.01, confidence=0.9, seed=at) for at in range(25)])
    calm = judge(reference, outputs(500, invalid=0.01, confidence=0.9, seed=99), alpha=ALPHA)
    assert not any(found.is_alarm for found in calm)
    moved = judge(reference, outputs(500, invalid=0.25, confidence=0.7, seed=99), alpha=ALPHA)
    assert {found.name for found in moved if found.is_alarm} == {"invalid", "confidence"}
    by_name = {found.name: found for found in moved}
    assert by_name["invalid"].current_mean == pytest.approx(0.25, abs=0.06)
    assert by_name["latency"].note == "the reference has no value of it"


def test_all_features_of_a_side_are_compared() -> None:
    found = judge(REFERENCE, summary_of(texts(500, 5)), alpha=ALPHA)
    assert {one.name for one in found} == {feature.name for feature in FEATURES if feature.side is Side.INPUT}
