"""Rates and break-evens: the customer-service case, and what cannot be said."""

from fractions import Fraction

import pytest

from routing.cost import ledger_rates as rates
from routing.cost.ledger import Line
from routing.cost.savings import Estimate, Paid, Savings
from routing.words import ModelName

SMALL, LARGE = 4_000_000, 35_000_000
A_DAY = 5_000
NOBODY = Paid(
    requests=0, serving=0, beside=0, arms_answered=0, arms_billed=0, large_answered=0, large_billed=0, unpriced=0
)
ALONE = Estimate(value=A_DAY * LARGE, lower=0, upper=0)
SAVED = Savings(alone=ALONE, saved=ALONE, net=ALONE, pairs=30)


def test_the_customer_service_case() -> None:
    assert rates.a_month(A_DAY * LARGE, 24) == 5_250 * 10**9
    assert rates.a_month(A_DAY * SMALL, 24) == 600 * 10**9
    saved = A_DAY * (LARGE - SMALL)
    assert round(saved / (A_DAY * LARGE), 2) == 0.89
    days = rates.earned_back_days(45 * 10**9, saved, 24)
    assert days is not None
    assert days < 1


def test_arms_are_paid_for_every_request_and_the_large_model_for_its_own() -> None:
    lines = [
        Line(hour_us=0, route="r", model=ModelName(model), purpose=purpose, cost_nanousd=cost)
        for model, purpose, cost in (
            ("v1", "serve", 80),
            ("v1", "draft", 20),
            ("v1", "audit", 5),
            ("large", "draft", 9),
        )
    ]
    known = Paid(
        requests=10, serving=0, beside=0, arms_answered=6, arms_billed=0, large_answered=2, large_billed=0, unpriced=0
    )
    assert rates.arms_a_request(lines, known, ModelName("large")) == 10
    assert rates.large_a_request(known, SAVED) == Fraction(A_DAY * LARGE, 8)
    assert rates.fallback_share(known) == 0.25


def test_hardware_pays_off_later_the_more_falls_back() -> None:
    volumes = [rates.break_even_volume(1_200_000_000, Fraction(LARGE), share) for share in (0.0, 0.5, 1.0)]
    assert volumes == [823, 1646, None]


def test_nothing_is_said_of_nothing() -> None:
    assert rates.arms_a_request([], NOBODY, ModelName("large")) is None
    assert rates.large_a_request(NOBODY, SAVED) is None
    assert rates.fallback_share(NOBODY) is None
    assert rates.break_even_share(Fraction(1), Fraction(0)) is None
    assert rates.a_month(5, 0) is None


@pytest.mark.parametrize(("saved", "hours"), [(0, 24), (-1, 24), (1, 0)])
def test_training_is_never_earned_back_by_nothing(saved: int, hours: int) -> None:
    assert rates.earned_back_days(1, saved, hours) is None
