"""What a reliability curve is drawn from: calibrated confidence of answers that were graded."""

import pytest

from gateway.control.reliability_figures import BINS, curve_of
from gateway.store.engine import Store
from gateway.store.reliability import graded_confidences
from routing.words import ModelName, RouteName
from tests.fakes.graded import Traffic

KEY = RouteName("support"), ModelName("v1")


def test_only_graded_answers_of_the_arm_that_were_judged_with_a_calibration_count(store: Store) -> None:
    Traffic(store).answers(5, right=lambda _: 1.0, confidence=0.9, calibration="v1.1")
    Traffic(store, seed=1).answers(3, graded=False, confidence=0.9, calibration="v1.1")
    Traffic(store, seed=2).answers(3, confidence=0.9, calibration=None)
    Traffic(store, seed=3, arm="v2").answers(3, confidence=0.9, calibration="v1.1")
    with store.reading() as connection:
        assert graded_confidences(connection, *KEY) == [(0.9, True)] * 5


def test_a_curve_has_a_bin_for_every_confidence_and_loses_nobody() -> None:
    curve = curve_of([(0.0, False), (0.05, True), (0.1, True), (0.95, True), (1.0, False)])
    counts = [(found.answers, found.correct) for found in curve]
    assert counts == [(2, 1), (1, 1), *[(0, 0)] * (BINS - 3), (2, 1)]
    assert [found.confidence for found in curve] == pytest.approx([0.05, 0.1, *[0.0] * (BINS - 3), 1.95])
