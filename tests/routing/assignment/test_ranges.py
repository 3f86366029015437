from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.assignment.buckets import BUCKETS
from routing.assignment.ranges import Range, Ranges, allocate, check_cover, shares
from routing.words import ModelName

OLD, NEW, OTHER = ModelName("support-v1"), ModelName("support-v2"), ModelName("support-v3")
ARMS = (OLD, NEW, OTHER)
RAMP = (0, 500, 2_500, 5_000, 10_000)

Weights = dict[ModelName, int]


def owners(ranges: Ranges) -> list[ModelName]:
    return [held.arm for held in ranges for _ in range(held.start, held.stop)]


def moves(before: Ranges, after: Ranges) -> int:
    return sum(a != b for a, b in zip(owners(before), owners(after), strict=True))


def least_moves(before: Mapping[ModelName, int], after: Mapping[ModelName, int]) -> int:
    """No split can be reached with fewer: every growing arm needs what it lacks."""
    return sum(max(0, share - before.get(arm, 0)) for arm, share in after.items())


def without_empty(weights: Weights) -> Weights:
    return {arm: weight for arm, weight in weights.items() if weight}


@st.composite
def weights_of(draw: st.DrawFn, arms: Sequence[ModelName] = ARMS) -> Weights:
    """Any split among `arms`, empty and tiny shares included, in any order."""
    cuts = sorted(draw(st.lists(st.integers(0, BUCKETS), min_size=len(arms) - 1, max_size=len(arms) - 1)))
    parts = [stop - start for start, stop in pairwise([0, *cuts, BUCKETS])]
    return dict(draw(st.permutations(list(zip(arms, parts, strict=True)))))


@st.composite
def ramps(draw: st.DrawFn) -> list[Weights]:
    """0 -> 5 -> 25 -> 50 -> 100 percent of one arm beside two others that only shrink, reordered at every step."""
    grows, left, right = draw(st.permutations(ARMS))
    left_share = draw(st.integers(0, BUCKETS))
    right_share = BUCKETS - left_share
    steps: list[Weights] = []
    for target in RAMP:
        rest = BUCKETS - target
        left_share = draw(st.integers(max(0, rest - right_share), min(left_share, rest)))
        right_share = rest - left_share
        split = [(grows, target), (left, left_share), (right, right_share)]
        steps.append(dict(draw(st.permutations(split))))
    return steps


def allocated(steps: Sequence[Weights]) -> list[Ranges]:
    done: list[Ranges] = []
    for weights in steps:
        done.append(allocate(done[-1] if done else (), weights))
    return done


@given(steps=st.lists(weights_of(), min_size=1, max_size=5))
@settings(max_examples=30)
def test_any_sequence_of_splits_is_met_exactly_with_the_least_moves(steps: list[Weights]) -> None:
    history = allocated(steps)
    for weights, ranges in zip(steps, history, strict=True):
        check_cover(ranges)
        assert shares(ranges) == without_empty(weights)
    for (before, after), (old, new) in zip(pairwise(steps), pairwise(history), strict=True):
        assert moves(old, new) == least_moves(before, after)


@given(steps=ramps())
@settings(max_examples=30)
def test_no_unit_leaves_an_arm_and_comes_back_during_a_ramp(steps: list[Weights]) -> None:
    history = allocated(steps)
    for before, after in pairwise(history):
        assert moves(before, after) == least_moves(shares(before), shares(after))
    for arms in set(zip(*map(owners, history), strict=True)):
        changes = sum(a != b for a, b in pairwise(arms))
        assert changes == len(set(arms)) - 1, f"a bucket went {arms}"


@given(steps=ramps())
@settings(max_examples=15)
def test_the_order_of_the_arms_does_not_matter(steps: list[Weights]) -> None:
    reordered = [dict(sorted(weights.items(), reverse=True)) for weights in steps]
    assert allocated(steps) == allocated(reordered)


@given(before=weights_of(), after=weights_of())
@settings(max_examples=15)
def test_restoring_the_previous_ranges_brings_every_bucket_back(before: Weights, after: Weights) -> None:
    old = allocate((), before)
    changed = allocate(old, after)
    # A roll-back puts the stored ranges in force again; going back by the weights alone would find other buckets.
    assert allocate(old, before) == old
    assert moves(changed, old) == least_moves(after, before)


@given(weights=weights_of(), other=weights_of())
@settings(max_examples=15)
def test_asking_for_the_split_in_force_changes_nothing(weights: Weights, other: Weights) -> None:
    ranges = allocate(allocate((), other), weights)
    assert allocate(ranges, weights) == ranges


@given(before=weights_of((OLD, NEW)), after=weights_of((NEW, OTHER)))
@settings(max_examples=15)
def test_what_an_arm_that_is_gone_held_goes_to_those_that_grow(before: Weights, after: Weights) -> None:
    old = allocate((), before)
    new = allocate(old, after)
    assert shares(new) == without_empty(after)
    assert moves(old, new) == least_moves(before, after)


def test_the_ramp_of_the_picture_keeps_the_first_buckets_where_they_are() -> None:
    before = (Range(arm=NEW, start=0, stop=500), Range(arm=OLD, start=500, stop=BUCKETS))
    assert allocate(before, {OLD: 7_500, NEW: 2_500}) == (
        Range(arm=NEW, start=0, stop=500),
        Range(arm=OLD, start=500, stop=8_000),
        Range(arm=NEW, start=8_000, stop=BUCKETS),
    )


def test_a_new_route_gives_every_arm_one_range_and_an_arm_at_zero_none() -> None:
    assert allocate((), {NEW: 2_500, OTHER: 0, OLD: 7_500}) == (
        Range(arm=OLD, start=0, stop=7_500),
        Range(arm=NEW, start=7_500, stop=BUCKETS),
    )


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param({}, id="no arm at all"),
        pytest.param({OLD: 9_999}, id="too little"),
        pytest.param({OLD: 5_000, NEW: 5_001}, id="too much"),
        pytest.param({OLD: 10_001, NEW: -1}, id="less than nothing"),
    ],
)
def test_weights_that_are_no_split_are_refused(weights: Weights) -> None:
    with pytest.raises(ValueError, match="weights must be 0 or more and sum to 10000"):
        allocate((), weights)


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param([], id="nothing"),
        pytest.param([(1, BUCKETS)], id="a gap at the start"),
        pytest.param([(0, BUCKETS - 1)], id="a gap at the end"),
        pytest.param([(0, 10), (11, BUCKETS)], id="a gap between"),
        pytest.param([(0, 10), (9, BUCKETS)], id="an overlap"),
        pytest.param([(0, 10), (10, 10), (10, BUCKETS)], id="an empty range"),
        pytest.param([(5_000, BUCKETS), (0, 5_000)], id="out of order"),
        pytest.param([(0, BUCKETS + 1)], id="one bucket too many"),
    ],
)
def test_ranges_that_do_not_cover_the_buckets_are_refused(edges: list[tuple[int, int]]) -> None:
    ranges = tuple(Range(arm=OLD, start=start, stop=stop) for start, stop in edges)
    with pytest.raises(ValueError, match="without gap or overlap"):
        check_cover(ranges)
