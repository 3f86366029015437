import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.cusum import Cusum, K, limit_for, run_length, slack


@pytest.mark.parametrize(("h", "k", "windows"), [(4, 0.5, 336), (5, 0.5, 930), (8, 0.25, 740)])
def test_the_time_until_a_false_alarm_is_the_tabled_one(h: float, k: float, windows: float) -> None:
    assert run_length(h, k) == pytest.approx(windows, rel=0.02)


@given(st.floats(400, 1e9), st.floats(0.3, 1.2))
def test_the_limit_for_a_time_has_that_time(windows: float, k: float) -> None:
    h = limit_for(windows, k)
    assert h == 4.0 or run_length(h, k) == pytest.approx(windows, rel=1e-6)


def test_simulated_run_lengths_are_about_what_is_promised() -> None:
    chance = np.random.default_rng(2)
    h = limit_for(300)
    lengths = []
    for _ in range(300):
        sums, length = Cusum(), 0
        while sums.up <= h:
            sums, length = sums.after(float(chance.normal())), length + 1
        lengths.append(length)
    assert float(np.mean(lengths)) == pytest.approx(300, rel=0.2)


def test_a_shift_that_lasts_is_noticed_on_either_side() -> None:
    sums = Cusum()
    for _ in range(20):
        sums = sums.after(-1.5)
    assert sums.most == sums.down == 20.0
    assert sums.up == 0.0


def test_one_window_alone_does_not_raise_it() -> None:
    assert Cusum().after(1000.0).most == 3.5


def test_a_mean_that_is_not_well_known_is_given_more_slack() -> None:
    assert slack(0.4) > slack(0.2) > slack(0.0) == K
