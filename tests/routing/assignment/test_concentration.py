from collections import Counter
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from routing.assignment.concentration import MIN_REQUESTS, SHARE_LIMIT, Concentration


def traffic(requests: int, heavy_percent: int) -> list[str]:
    """Requests of which `heavy_percent` in every hundred are one unit's and all others are a unit each."""
    return ["heavy" if n % 100 * 37 % 100 < heavy_percent else f"unit-{n}" for n in range(requests)]


def reports(units: list[str]) -> list[tuple[int, str, float]]:
    concentration = Concentration()
    found = []
    for number, unit in enumerate(units, start=1):
        share = concentration.observe(unit)
        if share is not None:
            found.append((number, unit, share))
    return found


def test_a_unit_with_30_percent_is_reported_once() -> None:
    [(number, unit, share)] = reports(traffic(5_000, heavy_percent=30))
    assert unit == "heavy"
    assert MIN_REQUESTS <= number < MIN_REQUESTS + 100
    assert SHARE_LIMIT < share <= 0.35


def test_a_unit_with_10_percent_never_is() -> None:
    assert reports(traffic(20_000, heavy_percent=10)) == []


def test_even_traffic_of_few_units_is_nobodys_concentration() -> None:
    assert reports([f"unit-{n % 6}" for n in range(5_000)]) == []


def test_a_single_unit_is_not_reported_before_200_requests() -> None:
    assert reports(["only"] * (MIN_REQUESTS - 1)) == []
    assert reports(["only"] * MIN_REQUESTS) == [(MIN_REQUESTS, "only", 1.0)]


def test_two_heavy_units_are_reported_each() -> None:
    assert {unit for _, unit, _ in reports(["a", "b"] * 200)} == {"a", "b"}


def test_a_unit_that_stays_heavy_is_reported_again_every_10_000_requests() -> None:
    assert [number for number, _, _ in reports(["only"] * 20_200)] == [200, 10_200, 20_200]


def test_a_unit_that_became_heavy_late_is_still_found() -> None:
    quiet = [f"unit-{n}" for n in range(10_000)]
    assert [unit for _, unit, _ in reports(quiet + ["loud"] * 300)] == ["loud"]


@given(units=st.lists(st.sampled_from([f"u{n}" for n in range(60)] + ["heavy"] * 20), max_size=600))
@settings(max_examples=100)
def test_a_reported_share_is_never_above_the_true_one(units: list[str]) -> None:
    for number, unit, share in reports(units):
        assert number >= MIN_REQUESTS
        assert SHARE_LIMIT < share <= Fraction(Counter(units[:number])[unit], number) + Fraction(1, 10**12)
