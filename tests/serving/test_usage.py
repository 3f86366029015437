"""Token counts, as reported or as estimated."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.cost.prices import Usage
from serving.usage import PromptScale, usage_of


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
    ("reported", "usage"),
    [
        pytest.param(
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 256, "accepted_prediction_tokens": 0},
            },
            Usage(input=2006, cached_input=1920, output=300, reasoning=256),
            id="OpenAI",
        ),
        pytest.param(
            {
                "prompt_tokens": 37,
                "total_tokens": 46,
                "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 32},
            },
            Usage(input=37, cached_input=32, output=9),
            id="vLLM that tells what it had cached",
        ),
        pytest.param(
            {"prompt_tokens": 37, "total_tokens": 46, "completion_tokens": 9, "prompt_tokens_details": None},
            Usage(input=37, output=9),
            id="vLLM as it is otherwise",
        ),
        pytest.param(
            {
                "prompt_tokens": 1500,
                "completion_tokens": 10,
                "prompt_tokens_details": {"cached_tokens": 1000, "cache_creation_tokens": 400},
                "cache_creation_input_tokens": 400,
                "cache_read_input_tokens": 1000,
            },
            Usage(input=1500, cached_input=1000, cache_write=400, output=10),
            id="a proxy that says everything twice",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "prompt_cache_hit_tokens": 64},
            Usage(input=100, cached_input=64, output=10),
            id="DeepSeek",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 70},
            },
            Usage(input=100, cached_input=80, cache_write=20, output=10),
            id="parts that are more than the whole",
        ),
    ],
)
def test_parts_are_told_apart_as_servers_report_them_and_no_token_is_two(
    reported: dict[str, Any], usage: Usage
) -> None:
    assert read(reported) == usage
    assert sum(usage.by_kind().values()) == reported["prompt_tokens"] + reported["completion_tokens"]


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
    assert PromptScale().estimate(400, 7) == Usage(input=100, output=7, is_estimated=True)


def test_a_prompts_tokens_are_estimated_as_those_before_it_came_out() -> None:
    scale = PromptScale()
    for _ in range(100):
        scale.learn(3_000, Usage(input=1_000, output=1))  # three bytes a token
    assert scale.estimate(600, 0).input == pytest.approx(200, abs=1)
    for _ in range(2_000):
        scale.learn(3_000, Usage(input=500, output=1))  # since then six
    assert scale.estimate(600, 0).input == pytest.approx(100, abs=1)


@given(st.lists(st.tuples(st.integers(1, 10**8), st.integers(0, 10**8))), st.integers(0, 10**8))
def test_an_estimate_is_never_less_than_nothing(learnt: list[tuple[int, int]], prompt_bytes: int) -> None:
    scale = PromptScale()
    for size, tokens in learnt:
        scale.learn(size, Usage(input=tokens, output=0))
    assert scale.estimate(prompt_bytes, 0).input >= 0


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
    assert usage is None or sum(usage.by_kind().values()) == usage.input + usage.output
