from collections.abc import Iterable, Mapping
from dataclasses import replace

from routing.drift.alarms import Cause
from routing.drift.features import Side
from routing.drift.growing import Wanted
from routing.drift.rates import Looks, rates_of
from routing.drift.reference import Reference
from routing.drift.summary import Summary
from routing.drift.watch import NUMBERS, Ended, Terms, Watch
from tests.routing.drift.answers import answers, answers_reference
from tests.routing.drift.texts import ASKS, GERMAN, reference_of, summary_of, texts

MINUTE_US = 60_000_000
LOOKS = Looks(arms=2, windows_a_day=288, sums=len(NUMBERS), detectors=3)
TERMS = Terms(
    window_requests=500,
    window_us=5 * MINUTE_US,
    rates=rates_of(30, 0.001, LOOKS),
    wanted=Wanted(requests=2000, over_us=60 * MINUTE_US),
)
INPUTS, OUTPUTS = reference_of(texts(2500, 1)), answers_reference()
REFERENCES: Mapping[Side, Reference] = {Side.INPUT: INPUTS, Side.OUTPUT: OUTPUTS}


def watch(
    slices: Iterable[Summary], references: Mapping[Side, Reference] = REFERENCES, *, every_us: int = MINUTE_US
) -> tuple[Watch, list[Ended]]:
    state, ended = Watch(), []
    for at, one in enumerate(slices):
        state, window = state.after(one, at * every_us, (at + 1) * every_us, TERMS, references)
        if window is not None:
            ended.append(window)
    return state, ended


def a_minute(seed: int, n: int = 120, *, german: bool = False, **moved: float) -> Summary:
    text = summary_of(texts(n, seed, asks=GERMAN if german else ASKS))
    return text + replace(answers(n, seed, **moved), seen=0)


def test_a_window_ends_when_it_has_both_its_requests_and_its_time() -> None:
    _, quick = watch(a_minute(at, 600) for at in range(10))
    assert [window.ended_us - window.began_us for window in quick] == [5 * MINUTE_US] * 2
    _, slow = watch(a_minute(at, 60) for at in range(20))
    assert [window.summary.seen for window in slow] == [540, 540]


def test_a_day_of_the_same_raises_nothing() -> None:
    state, ended = watch(a_minute(100 + at % 60) for at in range(120))
    assert len(ended) == 24
    assert state.alarms == {}


def test_a_planted_shift_alarms_in_its_first_window_and_ends_when_it_is_gone() -> None:
    calm, moved = [a_minute(at) for at in range(10)], [a_minute(50 + at, german=True) for at in range(10)]
    state, ended = watch([*calm, *moved])
    assert ended[2].findings[0].is_alarm
    assert ended[2].findings[0].name in {"language", "non_ascii"}
    alarm = state.alarms["language"]
    assert (alarm.cause, alarm.since_us) == (Cause.WINDOW, ended[2].began_us)
    state, _ = watch([*calm, *moved, *(a_minute(90 + at) for at in range(15))])
    assert state.alarms == {}


def test_answers_that_become_less_sure_raise_an_alarm_although_each_window_looks_alike() -> None:
    state, _ = watch(a_minute(at, confidence=0.888) for at in range(60))
    assert state.alarms["confidence"].cause is Cause.TREND


def test_a_state_that_is_kept_and_read_goes_on_as_if_nothing_had_been() -> None:
    slices = [a_minute(at, german=at > 12) for at in range(24)]
    state, ended = watch(slices)
    again, found = Watch(), []
    for at, one in enumerate(slices):
        again = Watch.from_document(again.as_document())
        again, window = again.after(one, at * MINUTE_US, (at + 1) * MINUTE_US, TERMS, REFERENCES)
        found += [window] if window is not None else []
    assert again == state
    assert found == ended


def test_without_a_reference_one_grows_and_nothing_is_said() -> None:
    state, ended = watch([a_minute(at) for at in range(30)], {})
    assert all(window.findings == () for window in ended)
    assert {side: growing.n > 1000 for side, growing in state.growing.items()} == {Side.INPUT: True, Side.OUTPUT: True}
    assert state.without_growing(Side.INPUT).growing.keys() == {Side.OUTPUT}


def test_a_side_with_a_reference_is_judged_while_the_other_one_grows() -> None:
    state, ended = watch([a_minute(at) for at in range(5)], {Side.INPUT: INPUTS})
    assert {found.side for found in ended[0].findings} == {Side.INPUT}
    assert state.growing.keys() == {Side.OUTPUT}


def test_nothing_but_empty_slices_is_no_window() -> None:
    state, ended = watch([Summary()] * 50)
    assert ended == []
    assert state.alarms == {}
