"""How many units an experiment needs."""

from math import sqrt

import numpy as np
import pytest

from routing.experiment.sequence import TwoSided
from routing.experiment.size import Question, size_of


def question(**changes: float | bool) -> Question:
    settings: dict[str, float | bool] = {"difference": 0.03, "baseline_sd": sqrt(0.24), "arm_sd": sqrt(0.2331)}
    return Question(**(settings | changes))  # type: ignore[arg-type] # by name


def test_one_look_needs_what_the_textbook_says() -> None:
    # 4,181 an arm for 80 % power to see 0.60 become 0.63, with the variance of both arms as that of 0.6.
    assert size_of(question(arm_sd=sqrt(0.24))).one_look_units == pytest.approx(2 * 4186, abs=3)


def test_looking_all_the_time_costs_about_twice_the_units_and_half_of_the_experiments_end_earlier() -> None:
    size = size_of(question())
    assert size.one_look_units < size.half_by < size.units < 2 * size.one_look_units


def test_the_power_is_what_was_asked_for() -> None:
    chance = np.random.default_rng(12)
    size = size_of(question(power=0.8))
    looks = 60
    each = np.full(looks, size.units // 2 // looks)
    n = each.cumsum().astype(float)
    baseline, arm = (chance.binomial(each, p, size=(3000, looks)).cumsum(axis=1) for p in (0.6, 0.63))
    variance = (baseline * (1 - baseline / n) + arm * (1 - arm / n)) / (n - 1) / n
    is_seen = (arm - baseline) / n > TwoSided(0.05, size.units).half_width(variance, 2 * n)
    power = is_seen[:, n >= 100].any(axis=1).mean()
    assert 0.79 <= power <= 0.88
    by_half = is_seen[:, (n >= 100) & (2 * n <= size.half_by)].any(axis=1).mean()
    assert 0.48 <= by_half <= 0.65


def test_uneven_shares_one_direction_and_less_power_change_it_as_they_should() -> None:
    plain = size_of(question())
    assert size_of(question(arm_share=0.1)).units > 2.5 * plain.units
    assert size_of(question(is_one_sided=True)).units < plain.units
    assert size_of(question(power=0.5)).units == plain.half_by
    assert size_of(question(difference=0.015)).units == pytest.approx(4 * plain.units, abs=4)


@pytest.mark.parametrize(
    "broken",
    [
        {"difference": 0.0},
        {"baseline_sd": 0.0},
        {"alpha": 0.5},
        {"power": 0.4},
        {"power": 1.0},
        {"arm_share": 1.0},
        {"difference": float("nan")},
    ],
)
def test_questions_that_have_no_answer_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"difference|differ|alpha|power|share"):
        question(**broken)
