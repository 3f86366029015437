from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.audit.sample import DAY_US, HURRY_S, Pace, day_left_s, day_of, draw, share_now
from routing.words import Purpose

IDS = [f"0199{number:08x}-0000-7000-8000-000000000000" for number in range(20_000)]
PACES = st.builds(
    Pace,
    left_nanousd=st.integers(-(10**12), 10**12),
    cost_nanousd=st.floats(0, 1e9),
    requests_per_s=st.floats(0, 1e4),
    day_left_s=st.floats(0.001, 86_400),
)


def pace(**changes: float) -> Pace:
    given = {"left_nanousd": 5 * 10**9, "cost_nanousd": 3_500_000.0, "requests_per_s": 1.0, "day_left_s": 86_400.0}
    return Pace(**{**given, **changes})  # type: ignore[arg-type]  # whole numbers where they belong


@pytest.mark.parametrize("share", [0.01, 0.02, 0.25, 1.0])
def test_the_share_drawn_is_the_share_asked_for(share: float) -> None:
    drawn = sum(draw("support.1", Purpose.AUDIT, request_id, share) for request_id in IDS) / len(IDS)
    assert drawn == pytest.approx(share, abs=4 * (share * (1 - share) / len(IDS)) ** 0.5)


def test_no_share_draws_nothing() -> None:
    assert not any(draw("support.1", Purpose.AUDIT, request_id, 0.0) for request_id in IDS)


@given(st.text(), st.uuids(), st.floats(0, 1), st.floats(0, 1))
def test_what_a_smaller_share_draws_a_larger_one_draws_too(salt: str, name: object, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert draw(salt, Purpose.AUDIT, str(name), small) <= draw(salt, Purpose.AUDIT, str(name), large)


def test_the_draw_does_not_change() -> None:
    assert [index for index in range(200) if draw("support.1", Purpose.AUDIT, IDS[index], 0.02)] == [54, 187, 195]


def test_a_version_that_lacks_labels_has_every_request_audited_while_that_can_be_paid_for() -> None:
    calm = pace(requests_per_s=0.1)
    assert share_now(0.02, labels=0, min_labels=300, pace=calm) == 1.0
    assert share_now(0.02, labels=299, min_labels=300, pace=calm) == 1.0
    assert share_now(0.02, labels=300, min_labels=300, pace=calm) == 0.02


def test_where_the_money_does_not_last_the_share_is_what_it_lasts_for() -> None:
    assert share_now(0.02, labels=0, min_labels=300, pace=pace()) == pytest.approx(5e9 / (3.5e6 * HURRY_S))
    assert share_now(0.5, labels=300, min_labels=300, pace=pace()) == pytest.approx(5e9 / (3.5e6 * 86_400))
    assert share_now(0.01, labels=300, min_labels=300, pace=pace()) == 0.01


def test_where_nothing_is_left_nothing_is_drawn() -> None:
    assert share_now(1.0, labels=0, min_labels=300, pace=pace(left_nanousd=0)) == 0.0
    assert share_now(1.0, labels=0, min_labels=300, pace=pace(left_nanousd=-1)) == 0.0


@given(st.floats(0.001, 1), st.integers(0, 400), PACES)
def test_a_share_is_a_share_and_never_costs_more_than_is_left(share: float, labels: int, given_pace: Pace) -> None:
    found = share_now(share, labels=labels, min_labels=300, pace=given_pace)
    spread_s = given_pace.day_left_s if labels >= 300 else min(HURRY_S, given_pace.day_left_s)
    assert 0 <= found <= 1
    cost = found * given_pace.cost_nanousd * given_pace.requests_per_s * spread_s
    assert cost <= max(0, given_pace.left_nanousd) * (1 + 1e-9)
    assert found <= share_now(share, labels=0, min_labels=300, pace=given_pace)


def test_a_cap_is_spread_over_the_day_and_not_burnt_in_its_first_minute() -> None:
    spent = {}
    for name, labels in (("wanting", 0), ("settled", 300)):
        left = 5e9
        for second in range(86_400):
            now = pace(left_nanousd=int(left), requests_per_s=100.0, day_left_s=86_400.0 - second)
            left -= share_now(1.0, labels=labels, min_labels=300, pace=now) * 100.0 * 3_500_000
            if second in (60, 3600, 43_200):
                spent[name, second] = 1 - left / 5e9
        assert 0 <= left < 5e7
    assert spent["wanting", 60] < 0.02
    assert spent["wanting", 3600] == pytest.approx(1 - exp(-1), abs=0.01)
    assert spent["settled", 43_200] == pytest.approx(0.5, abs=0.01)


def test_days_are_those_of_utc() -> None:
    midnight = 20_000 * DAY_US
    assert [day_of(midnight - 1), day_of(midnight)] == [19_999, 20_000]
    assert [day_left_s(midnight), day_left_s(midnight - 1_500_000)] == [86_400.0, 1.5]
