import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.resilience.load_guard import LEARNT_FROM, RECENT, LoadGuard


def seasoned(duration_s: float = 1.0, tokens: int = 50) -> LoadGuard:
    """A guard that knows what is usual."""
    guard = LoadGuard()
    for _ in range(LEARNT_FROM):
        guard.answered(duration_s, tokens, 0.0)
    return guard


def slow(guard: LoadGuard, now_s: float, times: int = RECENT, duration_s: float = 3.7) -> None:
    for _ in range(times):
        guard.answered(duration_s, 50, now_s)


def test_a_model_that_is_as_quick_as_usual_is_asked() -> None:
    guard = seasoned()
    slow(guard, 1.0, times=100, duration_s=2.0)
    assert guard.admits(2.0)


def test_five_answers_that_take_three_times_as_long_spare_it_for_ten_seconds() -> None:
    guard = seasoned()
    slow(guard, 1.0, times=RECENT - 1)
    assert guard.admits(1.0)
    slow(guard, 1.0, times=1)
    assert not guard.admits(1.0)
    assert not guard.admits(10.9)
    assert guard.admits(11.0)


def test_one_slow_answer_is_no_queue() -> None:
    guard = seasoned()
    guard.answered(10.0, 50, 1.0)
    assert guard.admits(1.0)


def test_a_long_answer_is_not_slow() -> None:
    guard = seasoned(1.0, tokens=50)
    for _ in range(RECENT):
        guard.answered(10.0, 1000, 1.0)
    assert guard.admits(1.0)


def test_before_it_is_known_what_is_usual_nothing_is_slow() -> None:
    guard = LoadGuard()
    for number in range(LEARNT_FROM):
        guard.answered(0.1 if number < 5 else 30.0, 50, 1.0)
    assert guard.admits(1.0)


def test_after_a_pause_one_call_finds_out_and_others_wait_for_it() -> None:
    guard = seasoned()
    slow(guard, 0.0)
    assert guard.admits(10.0)
    assert not guard.admits(10.1)
    guard.answered(1.0, 50, 11.0)
    assert guard.admits(11.0)
    assert guard.admits(11.0)


def test_while_it_is_still_slow_each_pause_is_twice_as_long_up_to_a_minute() -> None:
    guard = seasoned()
    slow(guard, 0.0)
    now_s, pauses = 10.0, []
    for _ in range(4):
        assert guard.admits(now_s)
        guard.answered(40.0, 50, now_s)
        begun_s = now_s
        while guard.is_sparing(now_s):
            now_s += 1.0
        pauses.append(now_s - begun_s)
    assert pauses == [20.0, 40.0, 60.0, 60.0]


def test_a_probe_that_tells_nothing_lets_the_next_one_through() -> None:
    guard = seasoned()
    slow(guard, 0.0)
    assert guard.admits(10.0)
    guard.failed()
    assert guard.admits(10.1)


def test_a_probe_whose_end_is_never_told_is_given_up_after_a_minute() -> None:
    guard = seasoned()
    slow(guard, 0.0)
    assert guard.admits(10.0)
    assert not guard.admits(69.0)
    assert guard.admits(70.0)


def test_a_429_spares_it_at_once() -> None:
    guard = LoadGuard()
    guard.turned_away(5.0)
    assert guard.is_sparing(14.9)
    assert guard.admits(15.0)
    guard.answered(1.0, 10, 15.5)
    assert guard.admits(15.5)


def test_calls_that_were_under_way_when_the_pause_began_say_nothing_new() -> None:
    guard = seasoned()
    slow(guard, 0.0)
    slow(guard, 5.0)
    guard.turned_away(6.0)
    guard.answered(1.0, 50, 7.0)
    assert guard.is_sparing(9.9)
    assert guard.admits(10.0)


def test_a_model_that_became_slower_for_good_is_usual_again_in_the_end() -> None:
    guard = seasoned()
    now_s, probes = 0.0, 0
    slow(guard, now_s, duration_s=9.0)
    while probes < 100:
        now_s += 1.0
        if guard.admits(now_s):
            guard.answered(9.0, 50, now_s)
            if guard.admits(now_s + 0.1):
                break
            probes += 1
    assert 5 < probes < 40


@given(st.lists(st.tuples(st.floats(0.001, 100.0), st.integers(-1, 5000)), max_size=60))
def test_it_never_spares_for_longer_than_a_minute(answers: list[tuple[float, int]]) -> None:
    guard = LoadGuard()
    for duration_s, tokens in answers:
        guard.answered(duration_s, tokens, 100.0)
    assert not guard.is_sparing(160.0)


@pytest.mark.parametrize("tokens", [-5, 0])
def test_answers_without_known_tokens_count_as_short(tokens: int) -> None:
    guard = LoadGuard()
    guard.answered(1.0, tokens, 0.0)
    assert guard.admits(0.0)
