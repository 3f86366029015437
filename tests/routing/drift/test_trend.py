import numpy as np

from routing.drift.features import Side
from routing.drift.reference import Reference
from routing.drift.trend import z_of
from tests.routing.drift.answers import answers, answers_reference

REFERENCE = answers_reference()


def test_without_a_change_it_is_a_z_score() -> None:
    found = [z_of("confidence", REFERENCE, answers(500, seed)) for seed in range(120)]
    values = np.array([one.z for one in found if one is not None])
    assert len(values) == 120
    assert found[0] is not None
    assert abs(values.mean()) < 3 * found[0].unsure  # the reference's own mean is off by a little, for all alike
    assert 0.5 < values.std() < 1.25  # careful: what times differ by is never estimated below nothing


def test_a_small_shift_is_a_few_standard_deviations() -> None:
    found = z_of("confidence", REFERENCE, answers(500, 7, confidence=0.88))
    assert found is not None
    assert -12 < found.z < -3


def test_times_that_differ_are_no_shift() -> None:
    hours = [answers(200, at, confidence=0.85 + 0.1 * (at % 2)) for at in range(24)]
    found = z_of("confidence", Reference(Side.OUTPUT, hours), answers(500, 99, confidence=0.85))
    assert found is not None
    assert abs(found.z) < 2


def test_what_cannot_be_told_is_none() -> None:
    assert z_of("confidence", REFERENCE, answers(50, 1)) is None
    assert z_of("latency", REFERENCE, answers(500, 1)) is None
    assert z_of("confidence", answers_reference(chunks=3), answers(500, 1)) is None
