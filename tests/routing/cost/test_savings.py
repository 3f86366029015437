"""Savings: exact where the large model answered, a ratio with an interval where arms did, unknown otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from routing.cost.ledger import Line
from routing.cost.savings import MIN_PAIRS, Estimate, Pairs, Savings, Unknown, large_for_arms, paid, savings
from routing.words import ModelName, Purpose

V1, LARGE = ModelName("v1"), ModelName("large")
Pair = tuple[float, float, float]
"""Chance, what the arm was billed, what the large model was."""


def pairs_of(*some: Pair) -> Pairs:
    w, x, y = (np.array(column) for column in zip(*((1 / p, x, y) for p, x, y in some), strict=True))
    return Pairs(
        n=len(some),
        weight=w.sum(),
        arm=(w * x).sum(),
        large=(w * y).sum(),
        squares_weight=(w * w).sum(),
        squares_arm=(w * w * x * x).sum(),
        squares_large=(w * w * y * y).sum(),
        products=(w * w * x * y).sum(),
        by_weight_arm=(w * w * x).sum(),
        by_weight_large=(w * w * y).sum(),
        arm_input=0.0,
        large_input=0.0,
        arm_output=0.0,
        large_output=0.0,
    )


def line(model: ModelName, purpose: Purpose, attempts: int, each: int, **more: int) -> Line:
    cost = attempts * each
    return Line(hour_us=0, route="r", model=model, purpose=purpose.value, attempts=attempts, cost_nanousd=cost, **more)


LINES = (
    line(V1, Purpose.SERVE, 90, 4, requests=90),
    line(V1, Purpose.DRAFT, 10, 4, requests=10),
    line(LARGE, Purpose.FALLBACK, 10, 50),
    line(LARGE, Purpose.AUDIT, 5, 40),
)
SAME = pairs_of(*((0.5, 4.0, 40.0) for _ in range(MIN_PAIRS)))


def test_paid_tells_what_answers_cost_from_the_rest() -> None:
    known = paid(LINES, LARGE)
    assert (known.requests, known.serving, known.beside) == (100, 900, 200)
    assert (known.arms_answered, known.arms_billed, known.large_answered, known.large_billed) == (90, 360, 10, 500)


def test_what_the_large_model_answered_counts_as_it_was_billed() -> None:
    found = savings(paid(LINES, LARGE), SAME, has_large=True)
    assert isinstance(found, Savings)
    assert found.alone == Estimate(value=3600 + 500, lower=4100, upper=4100)
    assert (found.saved.value, found.net.value) == (4100 - 900, 4100 - 900 - 200)


def test_the_interval_is_that_of_the_delta_method() -> None:
    # By hand: R = 420 / 40 = 10.5; residuals -1 and 1 times 4; sum w² e² with w = 2.
    some = pairs_of(*((0.5, 4.0, 38.0), (0.5, 4.0, 46.0)) * 20)
    known = replace(paid(LINES, LARGE), arms_billed=1_000_000)
    found = large_for_arms(known, some)
    residual = 40 * 4 * 4.0**2
    half = 1.959964 * (1_000_000 / 320) * (40 / 39 * residual) ** 0.5
    assert found.value == 10_500_000
    assert found.upper - found.value == pytest.approx(half, rel=1e-5)
    assert found.value - found.lower == pytest.approx(half, rel=1e-5)


def test_arms_that_are_billed_nothing_are_counted_by_requests() -> None:
    free = pairs_of(*((0.5, 0.0, 40.0) for _ in range(MIN_PAIRS)))
    assert large_for_arms(replace(paid(LINES, LARGE), arms_billed=0), free).value == 90 * 40


def test_answers_that_differ_in_their_chance_count_by_it() -> None:
    # Long answers are drawn a quarter as often as short ones, and cost the large model relatively less.
    some = pairs_of(*((0.8, 4.0, 40.0) for _ in range(80)), *((0.2, 40.0, 80.0) for _ in range(20)))
    assert large_for_arms(replace(paid(LINES, LARGE), arms_billed=4400), some).value == 12_000


@pytest.mark.parametrize(
    ("why", "changes", "pairs", "has_large"),
    [
        pytest.param(Unknown.NO_LARGE, {}, SAME, False, id="no fallback"),
        pytest.param(Unknown.NO_REQUESTS, {"requests": 0}, SAME, True, id="no requests"),
        pytest.param(Unknown.UNPRICED, {"unpriced": 1}, SAME, True, id="an unknown price"),
        pytest.param(Unknown.FEW_PAIRS, {}, None, True, id="no pairs"),
        pytest.param(Unknown.FEW_PAIRS, {}, replace(SAME, n=MIN_PAIRS - 1), True, id="too few pairs"),
    ],
)
def test_what_is_not_known_is_said_to_be_unknown(
    why: Unknown,
    changes: dict[str, int],
    pairs: Pairs | None,
    has_large: bool,
) -> None:
    assert savings(replace(paid(LINES, LARGE), **changes), pairs, has_large=has_large) is why


def test_where_the_large_model_answered_all_no_pairs_are_needed() -> None:
    found = savings(paid([line(LARGE, Purpose.FALLBACK, 3, 50, requests=3)], LARGE), None, has_large=True)
    assert isinstance(found, Savings)
    assert found.saved == Estimate(value=0, lower=0, upper=0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(6)
    covered = 0
    for _ in range(400):
        x = random.gamma(4, 1000, 3000)
        y = 7 * x * random.gamma(9, 1 / 9, 3000) + 2000
        chance = np.where(x > 4000, 0.1, 0.04)
        drawn = random.random(3000) < chance
        some = pairs_of(*zip(chance[drawn], x[drawn], y[drawn], strict=True))
        found = large_for_arms(replace(paid(LINES, LARGE), arms_billed=round(x.sum())), some)
        covered += found.lower <= y.sum() <= found.upper
    assert 0.92 <= covered / 400 <= 0.985
