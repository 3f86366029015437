"""Several arms against one of them: what may be concluded, and what may not."""

from math import inf

import pytest

from routing.experiment.comparison import Comparison, Decision, Direction, Terms, compare_arms
from routing.experiment.sums import ArmSums


def arm(n: int, share: float) -> ArmSums:
    events = share * n
    return ArmSums(n=n, y=events, yy=events, d=n, dd=n, yd=events)


def compare(*arms: ArmSums, weights: dict[str, float] | None = None, terms: Terms | None = None) -> Comparison:
    return compare_arms(dict(zip("abcd", arms, strict=False)), "a", terms or Terms(), weights)


def test_an_arm_that_is_surely_better_is_better() -> None:
    found = compare(arm(2500, 0.8), arm(2500, 0.85))
    assert (found.decision, found.baseline) == (Decision.BETTER, "a")
    (one,) = found.effects
    assert (one.arm, one.is_exact, one.has_enough) == ("b", False, True)
    assert one.absolute.effect == pytest.approx(0.05)
    assert 0 < one.absolute.lower < 0.05 < one.absolute.upper
    assert one.relative is not None
    assert one.relative.effect == pytest.approx(0.0625)
    assert found.reason.startswith("b is better than a: +0.05 (+0.0")


def test_where_less_is_better_the_same_arm_is_worse() -> None:
    terms = Terms(goal=Direction.MIN)
    assert compare(arm(2500, 0.8), arm(2500, 0.85), terms=terms).decision is Decision.WORSE
    assert compare(arm(2500, 0.85), arm(2500, 0.8), terms=terms).decision is Decision.BETTER


def test_a_small_difference_is_left_open() -> None:
    found = compare(arm(1000, 0.8), arm(1000, 0.81))
    assert found.decision is Decision.UNDECIDED
    assert "leaves open" in found.reason


def test_few_units_decide_nothing_however_far_apart_they_are() -> None:
    found = compare(arm(99, 0.1), arm(99, 0.9))
    assert found.decision is Decision.UNDECIDED
    assert "fewer than 100 units" in found.reason
    assert found.effects[0].absolute.p_value < 0.001
    assert compare(arm(100, 0.1), arm(100, 0.9)).decision is Decision.BETTER


def test_a_wrong_split_makes_everything_invalid() -> None:
    found = compare(arm(2500, 0.8), arm(2000, 0.95))
    assert found.decision is Decision.INVALID
    assert found.sample_ratio.p_value < 0.001
    assert compare(arm(2500, 0.8), arm(2000, 0.95), weights={"a": 25, "b": 20}).decision is Decision.BETTER


def test_an_arm_that_got_no_units_at_all_is_a_wrong_split() -> None:
    weights = {"a": 1.0, "b": 1.0, "c": 1.0}
    assert compare(arm(2500, 0.8), arm(2500, 0.9), weights=weights).decision is Decision.INVALID


def test_equal_arms_are_not_inferior_at_a_margin() -> None:
    found = compare(arm(10_000, 0.8), arm(10_000, 0.8), terms=Terms(margin=0.03))
    assert found.decision is Decision.NON_INFERIOR
    assert "0.03 are allowed" in found.reason
    assert compare(arm(500, 0.8), arm(500, 0.8), terms=Terms(margin=0.03)).decision is Decision.UNDECIDED


@pytest.mark.parametrize("goal", list(Direction))
def test_an_arm_that_is_worse_by_less_than_the_margin_will_do(goal: Direction) -> None:
    worse = {Direction.MAX: 0.79, Direction.MIN: 0.81}[goal]
    arms = (arm(200_000, 0.8), arm(200_000, worse))
    found = compare(*arms, terms=Terms(goal=goal, margin=0.03))
    assert found.decision is Decision.NON_INFERIOR
    assert "is worse, but by less than the margin" in found.reason
    assert compare(*arms, terms=Terms(goal=goal)).decision is Decision.WORSE
    assert compare(*arms, terms=Terms(goal=goal, margin=0.005)).decision is Decision.WORSE


def test_better_is_said_rather_than_not_inferior() -> None:
    assert compare(arm(2500, 0.8), arm(2500, 0.9), terms=Terms(margin=0.02)).decision is Decision.BETTER


def test_one_side_is_enough_for_a_margin() -> None:
    arms = (arm(5000, 0.8), arm(5000, 0.8))
    (one,) = compare(*arms, terms=Terms(margin=0.0245)).effects
    assert one.shortfall < -one.absolute.lower
    between = (one.shortfall - one.absolute.lower) / 2
    assert compare(*arms, terms=Terms(margin=between)).decision is Decision.NON_INFERIOR


def test_of_several_arms_the_best_is_named_and_one_that_is_better_is_enough() -> None:
    found = compare(arm(2500, 0.8), arm(2500, 0.7), arm(2500, 0.86), arm(2500, 0.9))
    assert [one.arm for one in found.effects] == ["b", "c", "d"]
    assert (found.decision, found.reason[:16]) == (Decision.BETTER, "d is better than")


def test_all_arms_must_be_worse_for_worse() -> None:
    assert compare(arm(2500, 0.8), arm(2500, 0.7), arm(2500, 0.72)).decision is Decision.WORSE
    assert compare(arm(2500, 0.8), arm(2500, 0.7), arm(2500, 0.8)).decision is Decision.UNDECIDED


def test_what_would_do_alone_may_not_do_among_many() -> None:
    close = arm(2500, 0.8345)
    alone = compare(arm(2500, 0.8), close)
    assert (alone.decision, 0.02 < alone.effects[0].absolute.p_value < 0.05) == (Decision.BETTER, True)
    among = compare(arm(2500, 0.8), close, arm(2500, 0.8), arm(2500, 0.8))
    assert among.decision is Decision.UNDECIDED
    assert "not enough among 3 arms" in among.reason
    assert among.effects[0].absolute == alone.effects[0].absolute


def test_few_events_get_exact_bounds_if_values_are_0_or_1() -> None:
    arms = (arm(1000, 0.0), arm(1000, 0.0))
    known = compare(*arms, terms=Terms(is_binary=True, margin=0.02))
    assert known.effects[0].is_exact
    assert known.decision is Decision.NON_INFERIOR
    assert known.effects[0].relative is None
    unknown = compare(*arms, terms=Terms(margin=0.02))
    assert (unknown.effects[0].is_exact, unknown.effects[0].absolute.upper) == (False, inf)
    assert unknown.decision is Decision.UNDECIDED
    assert "do not vary" in unknown.reason


def test_few_events_that_differ() -> None:
    found = compare(arm(2000, 0.004), arm(2000, 0.04), terms=Terms(is_binary=True, goal=Direction.MIN))
    (one,) = found.effects
    assert (one.is_exact, found.decision) == (True, Decision.WORSE)
    assert one.relative is not None
    assert 0 < one.relative.lower < 9 < one.relative.upper
    assert 0 < one.absolute.lower < one.absolute.effect < one.absolute.upper == one.shortfall


def test_exact_bounds_of_a_margin_are_shared_among_arms() -> None:
    terms = Terms(is_binary=True)
    one = compare(arm(2000, 0.004), arm(2000, 0.004), terms=terms).effects[0]
    of_three = compare(arm(2000, 0.004), *[arm(2000, 0.004)] * 3, terms=terms).effects[0]
    assert one.absolute == of_three.absolute
    assert one.shortfall == -one.absolute.lower < of_three.shortfall


def test_a_value_from_before_sharpens_the_comparison() -> None:
    before = [float(at % 50) for at in range(1000)]
    values = [one + at % 3 for at, one in enumerate(before)]
    plain = compare(ArmSums.of(values), ArmSums.of(values))
    adjusted = compare(ArmSums.of(values, before=before), ArmSums.of(values, before=before))
    assert adjusted.effects[0].absolute.se < plain.effects[0].absolute.se / 10


@pytest.mark.parametrize("margin", [0, -0.01, inf, float("nan")])
def test_a_margin_has_a_sign(margin: float) -> None:
    with pytest.raises(ValueError, match="margin must be above 0"):
        Terms(margin=margin)


def test_a_comparison_needs_two_arms_and_a_weight_for_each() -> None:
    with pytest.raises(ValueError, match="a baseline and another arm"):
        compare(arm(100, 0.5))
    with pytest.raises(ValueError, match="a baseline and another arm"):
        compare_arms({"a": arm(100, 0.5), "b": arm(100, 0.5)}, "c", Terms())
    with pytest.raises(ValueError, match="arm b has units but no weight"):
        compare(arm(100, 0.5), arm(100, 0.5), weights={"a": 1})
