"""Token counts, as reported or as estimated."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.cost.prices import Usage
from serving.usage import estimated_usage, usage_of


def read(value: Any) -> Usage | None:
    return usage_of(json.dumps(value).encode())


def test_all_kinds_are_read() -> None:
    reported = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    assert read(reported) == Usage(input=100, output=50, cached_input=60, cache_write=10, reasoning=20)


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": None}, {"cached_tokens": -3}, {"cached_tokens": "x"}])
def test_unusable_details_count_as_none(details: Any) -> None:
    usage = read({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": details})
    assert usage == Usage(input=10, output=5)


def test_a_part_is_never_more_than_the_whole() -> None:
    usage = read({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}})
    assert usage is not None
    assert usage.cached_input == 10


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], "x", 5, {}),
        {"completion_tokens": 5},
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 1, "completion_tokens": -5},
        {"prompt_tokens": 1.5, "completion_tokens": 5},
        {"prompt_tokens": True, "completion_tokens": 5},
        {"prompt_tokens": 1, "completion_tokens": "5"},
        {"prompt_tokens": 10**12, "completion_tokens": 5},
    ],
)
def test_case_80_what_cannot_be_believed_is_thrown_away(value: Any) -> None:
    assert read(value) is None


def test_case_94_an_estimate_says_that_it_is_one() -> None:
    assert estimated_usage(400, 7) == Usage(input=100, output=7, is_estimated=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(
    ["prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details", "cached_tokens"]
)


@given(st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=2)))
def test_no_report_is_ever_a_bug(value: dict[str, Any]) -> None:
    usage = read(value)
    assert usage is None or all(tokens > 0 for tokens in usage.by_kind().values())
