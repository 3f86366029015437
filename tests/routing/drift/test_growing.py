from routing.drift.features import Side
from routing.drift.growing import LEAST_CHUNKS, MOST_CHUNKS, Growing, Wanted, of_side
from tests.routing.drift.answers import answers
from tests.routing.drift.texts import summary_of

HOUR_US = 3_600_000_000
WANTED = Wanted(requests=1000, over_us=24 * HOUR_US)


def grown(slices: int, size: int, apart_us: int) -> Growing:
    growing = Growing(side=Side.OUTPUT)
    for at in range(slices):
        growing = growing.after(answers(size, at), at * apart_us, at * apart_us + 5, WANTED)
    return growing


def test_it_is_complete_with_enough_requests_over_long_enough() -> None:
    assert grown(50, 25, HOUR_US).is_complete(WANTED)
    assert not grown(50, 25, HOUR_US // 4).is_complete(WANTED)
    assert not grown(30, 25, HOUR_US).is_complete(WANTED)
    assert not Growing(side=Side.OUTPUT).is_complete(WANTED)


def test_however_much_comes_before_the_time_is_over_it_stays_small_and_loses_nothing() -> None:
    growing = grown(300, 60, HOUR_US // 20)
    assert LEAST_CHUNKS <= len(growing.chunks) <= MOST_CHUNKS
    assert growing.n + growing.open.outputs == 300 * 60


def test_it_survives_being_written_and_read() -> None:
    growing = grown(7, 30, HOUR_US)
    assert Growing.from_document(growing.as_document()) == growing


def test_each_side_keeps_what_is_its_own() -> None:
    both = answers(30, 1) + summary_of(["where is it"])
    inputs, outputs = of_side(both, Side.INPUT), of_side(both, Side.OUTPUT)
    assert (inputs.inputs, inputs.outputs) == (1, 0)
    assert (outputs.inputs, outputs.outputs) == (0, 30)
    assert "confidence" in outputs.counts
    assert "confidence" not in inputs.counts
    assert inputs.words
    assert not outputs.words
