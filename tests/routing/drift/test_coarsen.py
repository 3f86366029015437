import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.coarsen import GROUPS, grouped, groups_of


@given(st.lists(st.integers(0, 500), min_size=1, max_size=80))
def test_neighbours_go_together_and_nothing_is_lost(counts: list[int]) -> None:
    groups = groups_of(counts)
    assert list(groups) == sorted(groups)
    assert set(np.diff(groups)) <= {0, 1}
    assert grouped(counts, groups).sum() == sum(counts)


def test_groups_are_about_equally_full() -> None:
    counts = np.full(100, 7)
    full = grouped(counts, groups_of(counts))
    assert list(full[:GROUPS]) == [70.0] * GROUPS


def test_what_lies_outside_of_all_that_the_reference_had_is_a_group_of_its_own() -> None:
    groups = groups_of([0, 0, 5, 10, 5, 0, 0])
    assert groups[0] == groups[1] != groups[2]
    assert groups[5] == groups[6] != groups[4]


def test_a_value_that_nearly_all_have_is_alone() -> None:
    groups = groups_of([1, 1, 900, 1, 1])
    assert groups[1] != groups[2] != groups[3]


@pytest.mark.parametrize("counts", [[], [0, 0, 0]])
def test_an_empty_reference_is_one_group(counts: list[int]) -> None:
    assert list(groups_of(counts)) == [0] * len(counts)


def test_many_chunks_are_grouped_at_once() -> None:
    assert grouped([[1, 2, 3], [4, 5, 6]], np.array([0, 0, 1])).tolist() == [[3.0, 3.0], [9.0, 6.0]]
