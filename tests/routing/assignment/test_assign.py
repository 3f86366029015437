from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.assignment.assign import Allocation, Assignment, assign
from routing.assignment.buckets import BUCKETS, bucket
from routing.assignment.ranges import Range, allocate, shares
from routing.words import ModelName

V1, V2, V3 = ModelName("support-v1"), ModelName("support-v2"), ModelName("support-v3")
RANGES = allocate(allocate((), {V1: 9_500, V2: 500}), {V1: 6_000, V2: 2_500, V3: 1_500})

# Critical values at p = 0.001. Inputs are fixed, so a test passes or fails for ever.
CHI_SQUARE_2_DF = 13.82
CHI_SQUARE_4_DF = 18.47


def test_an_assignment_names_arm_bucket_and_propensity() -> None:
    ranges = allocate((), {V1: 7_500, V2: 2_500})
    assert assign("route-support-1", "default", "user-1", ranges) == Assignment(arm=V1, bucket=6_584, propensity=0.75)
    assert assign("route-support-1", "default", "user-2", ranges) == Assignment(arm=V2, bucket=8_039, propensity=0.25)


def test_every_bucket_belongs_to_the_arm_whose_range_holds_it() -> None:
    allocation = Allocation("salt", RANGES)
    for held in RANGES:
        for number in {held.start, held.stop - 1}:
            assert allocation.arm_of(number).arm == held.arm
            assert allocation.arm_of(number).bucket == number


def test_the_propensity_is_the_share_of_the_arm_over_all_its_ranges() -> None:
    allocation = Allocation("salt", RANGES)
    assert len(RANGES) > len(shares(RANGES)), "an arm with several ranges is wanted here"
    propensities = {(found.arm, found.propensity) for found in map(allocation.arm_of, range(BUCKETS))}
    assert propensities == {(V1, 0.6), (V2, 0.25), (V3, 0.15)}


def test_an_arm_without_a_share_gets_nobody() -> None:
    allocation = Allocation("salt", allocate((), {V1: BUCKETS, V2: 0}))
    assert {allocation.assign("default", f"user-{number}").arm for number in range(1_000)} == {V1}


@given(salt=st.text(), tenant=st.text(), unit=st.text())
@settings(max_examples=50)
def test_a_unit_keeps_its_arm_for_as_long_as_salt_and_ranges_stand(salt: str, tenant: str, unit: str) -> None:
    # Two allocations stand for two workers, or one before and after a restart.
    found = Allocation(salt, RANGES).assign(tenant, unit)
    assert found == Allocation(salt, RANGES).assign(tenant, unit) == assign(salt, tenant, unit, RANGES)
    assert found.bucket == bucket(salt, tenant, unit)


def test_an_allocation_keeps_what_a_roll_back_restores() -> None:
    allocation = Allocation("salt", RANGES)
    assert (allocation.salt, allocation.ranges) == ("salt", RANGES)


def test_ranges_with_a_gap_are_refused() -> None:
    with pytest.raises(ValueError, match="must cover the buckets 0 to 9999"):
        Allocation("salt", (Range(arm=V1, start=0, stop=5_000),))


@pytest.mark.parametrize("salt", ["route-support-1", "route-support-2", ""])
def test_twenty_thousand_units_split_as_asked(salt: str) -> None:
    allocation = Allocation(salt, RANGES)
    counts = Counter(allocation.assign("default", f"user-{number}").arm for number in range(20_000))
    expected = {arm: share * 2 for arm, share in shares(RANGES).items()}
    assert sum((counts[arm] - n) ** 2 / n for arm, n in expected.items()) < CHI_SQUARE_2_DF


def test_the_splits_of_two_routes_are_independent() -> None:
    one, other = Allocation("route-support-1", RANGES), Allocation("route-support-2", RANGES)
    units = [f"user-{number}" for number in range(20_000)]
    pairs = Counter((one.assign("default", unit).arm, other.assign("default", unit).arm) for unit in units)
    rows, columns = Counter[ModelName](), Counter[ModelName]()
    for (row, column), count in pairs.items():
        rows[row] += count
        columns[column] += count
    statistic = 0.0
    for row in rows:
        for column in columns:
            expected = rows[row] * columns[column] / len(units)
            statistic += (pairs[row, column] - expected) ** 2 / expected
    assert statistic < CHI_SQUARE_4_DF


def test_a_ramp_moves_units_only_into_the_growing_arm() -> None:
    before = allocate((), {V1: 9_500, V2: 500})
    after = allocate(before, {V1: 7_500, V2: 2_500})
    small, large = Allocation("salt", before), Allocation("salt", after)
    changes = Counter[tuple[ModelName, ModelName]]()
    for number in range(5_000):
        unit = f"user-{number}"
        changes[small.assign("default", unit).arm, large.assign("default", unit).arm] += 1
    assert set(changes) == {(V1, V1), (V1, V2), (V2, V2)}
