import numpy as np
import pytest

from routing.drift.accuracy import BAND, estimated, have_parted, interval
from routing.drift.audited import Audited
from routing.drift.summary import Gatherer, Summary


def window(confidences: list[float]) -> Summary:
    gatherer = Gatherer()
    for confidence in confidences:
        gatherer.add_output({"confidence": confidence}, {})
    return gatherer.take()


def test_the_estimate_is_the_mean_of_calibrated_confidence() -> None:
    found = estimated(window([0.5] * 50 + [1.0] * 50))
    assert found is not None
    assert found.accuracy == pytest.approx(0.75)
    assert found.error == pytest.approx((50 * 0.25) ** 0.5 / 100)
    assert found.lower == pytest.approx(0.75 - 3 * found.error - BAND)
    assert found.upper == pytest.approx(min(1.0, 0.75 + 3 * found.error + BAND))


@pytest.mark.parametrize("confidences", [[], [0.9] * 99])
def test_few_answers_are_no_estimate(confidences: list[float]) -> None:
    assert estimated(window(confidences)) is None


def test_mixtures_that_the_calibration_knows_are_estimated_well() -> None:
    chance = np.random.default_rng(1)
    errors = []
    for share in np.linspace(0.1, 0.9, 40):
        hard = chance.random(1000) < share
        confidence = np.where(hard, chance.beta(3, 3, 1000), chance.beta(9, 1, 1000))
        right = chance.random(1000) < confidence
        found = estimated(window(list(confidence)))
        assert found is not None
        errors.append(abs(found.accuracy - right.mean()))
    assert float(np.mean(errors)) <= 0.035


def test_they_part_where_audits_find_other_than_confidence_says() -> None:
    found = estimated(window([0.9] * 1000))
    assert found is not None
    assert have_parted(found, Audited(n=300, accuracy=0.7, error=0.02))
    assert not have_parted(found, Audited(n=300, accuracy=0.86, error=0.02))
    assert not have_parted(found, Audited(n=100, accuracy=0.75, error=0.05))


def test_the_interval_of_audits_stays_within_shares() -> None:
    assert interval(Audited(n=100, accuracy=0.99, error=0.02)) == pytest.approx((0.93, 1.0))
