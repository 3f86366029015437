import pytest

from routing.drift.alarms import Cause
from routing.drift.means import Detectors, good_share, labels_detector, labels_sign
from tests.routing.drift.answers import answers, answers_reference

REFERENCE = answers_reference()
RATE = 1e-6


def minutes_until_a_sign(**moved: float) -> tuple[str, int] | None:
    detectors = Detectors.of(REFERENCE.total)
    for minute in range(120):
        detectors = detectors.after(answers(100, minute, **moved))
        for sign in detectors.signs(RATE):
            assert sign.cause is Cause.MEAN
            return sign.feature, minute + 1
    return None


@pytest.mark.parametrize(
    ("moved", "feature", "most_minutes"),
    [
        ({"confidence": 0.75}, "confidence", 30),
        ({"invalid": 0.15}, "invalid", 30),
        ({"fallback": 0.35}, "fallback", 60),
    ],
)
def test_what_becomes_worse_is_noticed(moved: dict[str, float], feature: str, most_minutes: int) -> None:
    found = minutes_until_a_sign(**moved)
    assert found is not None
    assert found[0] == feature
    assert found[1] <= most_minutes


def test_what_stays_or_becomes_better_is_no_sign() -> None:
    assert minutes_until_a_sign() is None
    assert minutes_until_a_sign(confidence=0.96, invalid=0.0, fallback=0.0) is None


def test_a_minute_with_few_answers_is_not_looked_at() -> None:
    detectors = Detectors.of(REFERENCE.total)
    assert detectors.after(answers(19, 1, invalid=1.0)) == detectors


def test_after_a_sign_only_that_detector_begins_anew() -> None:
    detectors = Detectors.of(REFERENCE.total).after(answers(100, 1, invalid=0.5, confidence=0.5))
    anew = detectors.begun_anew({"invalid"})
    assert anew.by_name["invalid"].evidence == 0
    assert anew.by_name["confidence"] == detectors.by_name["confidence"]


def test_they_survive_being_written_and_read() -> None:
    detectors = Detectors.of(REFERENCE.total).after(answers(100, 1))
    assert Detectors.from_document(detectors.as_document()) == detectors


def test_shares_are_better_the_higher_they_are() -> None:
    assert good_share("invalid", answers(400, 1, invalid=0.25)) == pytest.approx(0.75, abs=0.05)
    assert good_share("fallback", answers(5, 1)) is None


def test_labels_that_are_right_less_often_are_a_sign() -> None:
    detector = labels_detector(0.9)
    assert labels_sign(detector.after([1.0] * 100), 1e-4) is None
    sign = labels_sign(detector.after([1.0, 0.0] * 100), 1e-4)
    assert sign is not None
    assert sign.feature == "correct"
