from itertools import pairwise

import pytest

from routing.drift.features import BY_NAME, FEATURES, Kind


def test_names_are_used_once() -> None:
    assert len(BY_NAME) == len(FEATURES)


@pytest.mark.parametrize("name", [feature.name for feature in FEATURES if feature.kind is Kind.NUMBER])
def test_bins_ascend_and_every_number_has_one(name: str) -> None:
    feature = BY_NAME[name]
    assert all(low < high for low, high in pairwise(feature.edges))
    assert feature.bin_of(-1e9) == 0
    assert feature.bin_of(1e9) == feature.bins - 1
    assert feature.bin_of(feature.edges[0]) == 1  # an edge belongs to the bin above it


def test_a_number_out_of_all_bounds_still_counts() -> None:
    assert BY_NAME["input_length"].bin_of(float("inf")) == BY_NAME["input_length"].bins - 1
