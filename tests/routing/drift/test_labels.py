import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.labels import FIRST, LabelWatch

RATE = 1e-5


def drawn(n: int, share: float, seed: int) -> list[float]:
    return list((np.random.default_rng(seed).random(n) < share).astype(float))


def test_the_first_labels_say_how_often_answers_are_right() -> None:
    assert LabelWatch().after([1.0] * (FIRST - 1), 5).share is None
    watch = LabelWatch().after([1.0] * 270 + [0.0] * 30, 5)
    assert watch.share == 0.9
    assert watch.until_us == 5


def test_a_fall_is_noticed_and_the_watch_begins_anew() -> None:
    watch = LabelWatch().after(drawn(FIRST, 0.9, 1), 1).after(drawn(400, 0.7, 2), 2)
    after, sign = watch.sign(RATE)
    assert sign is not None
    assert after.sign(RATE)[1] is None


def test_no_fall_is_no_sign() -> None:
    for seed in range(20):
        watch = LabelWatch().after(drawn(3000, 0.9, seed), 1)
        assert watch.sign(RATE)[1] is None


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=700), st.integers(0, 700))
def test_it_does_not_matter_in_which_pieces_labels_come(values: list[float], at: int) -> None:
    whole = LabelWatch().after(values, 9)
    pieces = LabelWatch().after(values[:at], 4)
    pieces = LabelWatch.from_document(pieces.as_document()).after(values[at:], 9)
    assert pieces == whole
