"""Which buckets belong to which arm, and how few of them a new split can move.

A ramp of `new` from 5 to 25 percent beside `old`:

    before   |new 500|old ......................... 9,500|
    after    |new 500|old ............. 7,500|new .. 2,000|

Every arm keeps the buckets it had, up to its new share; only what a shrinking arm gives up goes to a growing one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from routing.assignment.buckets import BUCKETS
from routing.words import ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The buckets from `start` up to, not including, `stop` belong to `arm`."""

    arm: ModelName
    start: int
    stop: int


Ranges = tuple[Range, ...]
"""Ranges in ascending order that cover all buckets without a gap; arms without a share have none."""


def allocate(previous: Ranges, weights: Mapping[ModelName, int]) -> Ranges:
    """Ranges for `weights`, moving as few buckets away from `previous` as there is a way to.

    Args:
        previous: the ranges in force, or `()` for a route that is new.
        weights: buckets an arm, that is hundredths of a percent, summing to 10,000. Their order does not matter.

    Raises:
        ValueError: the weights are negative or do not sum to 10,000.
    """
    if any(weight < 0 for weight in weights.values()) or sum(weights.values()) != BUCKETS:
        raise ValueError(f"weights must be 0 or more and sum to {BUCKETS}, not {sum(weights.values())}")
    owned: dict[ModelName, list[int]] = {arm: [] for arm in sorted(weights)}
    free: list[int] = [] if previous else list(range(BUCKETS))
    for held in previous:
        kept = owned.get(held.arm)
        for number in range(held.start, held.stop):
            if kept is not None and len(kept) < weights[held.arm]:
                kept.append(number)
            else:
                free.append(number)
    start = 0
    for arm, numbers in owned.items():
        wanted = weights[arm] - len(numbers)
        numbers.extend(free[start : start + wanted])
        start += wanted
    return _joined((number, arm) for arm, numbers in owned.items() for number in numbers)


def shares(ranges: Ranges) -> dict[ModelName, int]:
    """How many buckets each arm holds."""
    counts: dict[ModelName, int] = {}
    for held in ranges:
        counts[held.arm] = counts.get(held.arm, 0) + held.stop - held.start
    return counts


def check_cover(ranges: Ranges) -> None:
    """Raise `ValueError` unless the ranges are in order and cover every bucket exactly once."""
    edges = [0, *(held.stop for held in ranges)]
    if [held.start for held in ranges] != edges[:-1] or edges[-1] != BUCKETS or any(a >= b for a, b in pairwise(edges)):
        raise ValueError(f"ranges must cover the buckets 0 to {BUCKETS - 1} in order, without gap or overlap")


def _joined(owners: Iterable[tuple[int, ModelName]]) -> Ranges:
    joined: list[Range] = []
    for number, arm in sorted(owners):
        if joined and joined[-1].arm == arm:
            joined[-1] = Range(arm=arm, start=joined[-1].start, stop=number + 1)
        else:
            joined.append(Range(arm=arm, start=number, stop=number + 1))
    return tuple(joined)
