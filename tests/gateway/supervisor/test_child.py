import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.supervisor.child import Backoff, Child


class StandinPlan(msgspec.Struct):
    pass


def test_each_short_life_doubles_the_wait() -> None:
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(4)] == [0.2, 0.4, 0.8, 1.6]


def test_after_a_long_life_there_is_no_wait_and_no_memory() -> None:
    backoff = Backoff()
    backoff.after(0.1)
    backoff.after(0.1)
    assert backoff.after(Backoff.LONG_LIFE_S) == 0
    assert backoff.after(0.1) == Backoff.FIRST_S


def test_a_process_that_cannot_be_started_is_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    child = Child("worker 1", ["/no/such/program"], StandinPlan)
    child.start_if_due(100.0)
    assert not child.is_running
    assert child.due_s == 100.0 + Backoff.FIRST_S
    assert "worker 1 cannot be started" in caplog.text


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=50))
def test_no_wait_is_longer_than_the_longest(lives_s: list[float]) -> None:
    backoff = Backoff()
    assert all(0 <= backoff.after(lived_s) <= Backoff.MOST_S for lived_s in lives_s)
