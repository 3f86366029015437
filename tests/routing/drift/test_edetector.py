import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.edetector import EDetector, run_length

M0, A = 0.614, 1e-4


def test_reference_value() -> None:
    detector = EDetector(least=0.8, lambdas=(0.4,), parts=(0.0,)).after([1, 1, 0, 0, 1, 0, 0, 0])
    assert f"{detector.evidence:.6f}" == "20.470769"


@given(st.floats(0, 1), st.lists(st.floats(0, 1), max_size=200))
def test_the_evidence_is_never_negative_nor_infinite(least: float, values: list[float]) -> None:
    assert 0 <= EDetector(least=least).after(values).evidence <= 1e300


@pytest.mark.parametrize(("drop", "delay"), [(0.05, 500), (0.10, 200), (0.20, 70)])
def test_how_long_it_takes_to_notice_a_drop_after_a_thousand_stable_labels(drop: float, delay: int) -> None:
    chance = np.random.default_rng(11)
    delays = []
    for _ in range(300):
        detector = EDetector(least=M0).after((chance.random(1000) < M0).astype(float))
        found = run_length(detector, (chance.random(3000) < M0 - drop).astype(float).tolist(), A)
        delays.append(3000 if found is None else found)
    assert float(np.median(delays)) == pytest.approx(delay, rel=0.15)


def test_a_false_alarm_comes_on_average_no_sooner_than_promised() -> None:
    rate = 1e-2
    chance = np.random.default_rng(4)
    lengths = []
    for _ in range(200):
        found = run_length(EDetector(least=M0), (chance.random(3000) < M0).astype(float).tolist(), rate)
        lengths.append(3000 if found is None else found)
    assert float(np.mean(lengths)) >= 1 / rate


def test_after_an_alarm_it_begins_anew() -> None:
    assert EDetector(least=0.5).after([0, 0, 0]).begun_anew() == EDetector(least=0.5)


def test_what_is_certain_may_be_watched() -> None:
    assert EDetector(least=1.0).after([1.0, 0.0]).evidence > 0
    assert EDetector(least=0.0).after([0.0] * 10).evidence == 10
