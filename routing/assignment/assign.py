"""The arm of a unit: a pure function of salt, unit and ranges."""

from bisect import bisect_right
from dataclasses import dataclass

from routing.assignment.buckets import BUCKETS, bucket
from routing.assignment.ranges import Ranges, check_cover, shares
from routing.words import ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Which arm a unit gets, through which bucket, and how likely any unit was to get it."""

    arm: ModelName
    bucket: int | None
    """`None` where a target decided and none was drawn."""
    propensity: float
    """The arm's share of the buckets, in (0, 1]; 1 for an arm that was forced, or that a target decided on."""


class Allocation:
    """Ranges made ready for looking up: valid by construction, one bisection an assignment."""

    __slots__ = ("_arms", "_propensities", "_starts", "ranges", "salt")

    def __init__(self, salt: str, ranges: Ranges) -> None:
        """Raises `ValueError` where the ranges do not cover the buckets."""
        check_cover(ranges)
        counts = shares(ranges)
        self.salt = salt
        self.ranges = ranges
        self._starts = [held.start for held in ranges]
        self._arms = [held.arm for held in ranges]
        self._propensities = [counts[held.arm] / BUCKETS for held in ranges]

    def arm_of(self, number: int) -> Assignment:
        """The assignment of bucket `number`."""
        at = bisect_right(self._starts, number) - 1
        return Assignment(arm=self._arms[at], bucket=number, propensity=self._propensities[at])

    def assign(self, tenant: str, unit: str) -> Assignment:
        """The assignment of a unit."""
        return self.arm_of(bucket(self.salt, tenant, unit))


def assign(salt: str, tenant: str, unit: str, ranges: Ranges) -> Assignment:
    """The arm of one unit; `Allocation` does the same for many."""
    return Allocation(salt, ranges).assign(tenant, unit)
