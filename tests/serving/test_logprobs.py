"""Log-probabilities: read, cut out of an answer's bytes, and trimmed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.logprobs import ALTERNATIVES, read_all_logprobs, read_logprobs, rewrite_for, trimmed, without
from tests.fakes.raw_upstream import completion

VLLM = Path(__file__).parent.parent / "fixtures" / "vllm"


def entry(token: str, *others: str) -> dict[str, Any]:
    tokens = [{"token": other, "logprob": -0.5, "bytes": list(other.encode())} for other in (token, *others)]
    return {**tokens[0], "top_logprobs": tokens}


def cut(value: Any, most: int) -> Any:
    value = copy.deepcopy(value)
    for each in value["content"]:
        each["top_logprobs"] = each["top_logprobs"][:most]
    return value


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


def packed(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


TOKENS = st.text(max_size=6) | st.sampled_from(['"', "\\", '[{"', '"top_logprobs":[', "[]", "}]", '","', "null"])
ENTRIES = st.lists(st.builds(lambda parts: entry(*parts), st.lists(TOKENS, min_size=1, max_size=6)), max_size=5)


@given(entries=ENTRIES, most=st.integers(0, 4), spaced=st.booleans(), content=TOKENS)
def test_a_trimmed_answer_is_what_the_upstream_would_have_sent(
    entries: list[dict[str, Any]], most: int, spaced: bool, content: str
) -> None:
    whole = {
        "id": content,
        "choices": [{"index": 0, "message": {"content": content}, "logprobs": {"content": entries}}],
    }
    expected = {**whole, "choices": [{**whole["choices"][0], "logprobs": cut({"content": entries}, most)}]}  # type: ignore[dict-item]
    write = written if spaced else packed
    got = trimmed(write(whole), write({"content": entries}), most=most)
    assert json.loads(got) == expected
    if not spaced:
        assert got == packed(expected)


@pytest.mark.parametrize("most", [0, 1])
def test_a_real_answer_is_trimmed_to_the_bytes_of_one_that_was_asked_for_less(most: int) -> None:
    body = (VLLM / "whole-top2.json").read_bytes()
    start, end = body.index(b'{"content":[{"token"'), body.index(b',"finish_reason"')
    value = json.loads(body[start:end])
    got = trimmed(body, body[start:end], most=most)
    assert json.loads(got)["choices"][0]["logprobs"] == cut(value, most)
    assert (got[:start], got[-(len(body) - end) :]) == (body[:start], body[end:])
    if most == 0:
        one = json.loads((VLLM / "whole.json").read_bytes())["choices"][0]["logprobs"]
        assert json.loads(got)["choices"][0]["logprobs"] == one


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"content": None},
        {"content": []},
        {"content": [{"token": "a", "logprob": -1}]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": None}]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": [5, 6]}]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": 7}]},
        {"content": [5]},
        {"content": "abc"},
        {"content": None, "refusal": [entry("no", "yes")]},
        {"content": [entry("no", "yes")], "refusal": [entry("no", "yes")]},
        "stop",
        [entry("a", "b")],
    ],
)
@pytest.mark.parametrize("most", [0, 1])
def test_odd_log_probabilities_are_trimmed_without_harm_to_the_rest(value: Any, most: int) -> None:
    body = completion("stop", choice={"logprobs": value}, message={"tool_calls": [{"a": {}, "b": [5, 6]}]})
    got = json.loads(trimmed(body, json.dumps(value).encode(), most=most))
    shown = got["choices"][0].pop("logprobs")
    expected = json.loads(body)
    del expected["choices"][0]["logprobs"]
    assert got == expected

    def longest(part: Any) -> int:
        if isinstance(part, dict):
            own = part.get("top_logprobs")
            return max([len(own) if isinstance(own, list) else 0, *map(longest, part.values())])
        return max(map(longest, part), default=0) if isinstance(part, list) else 0

    assert longest(shown) <= most


def test_the_second_choices_are_rewritten_too() -> None:
    first, second = {"content": [entry("a", "b")]}, {"content": [entry("c", "d")]}
    body = packed({"choices": [{"logprobs": first}, {"logprobs": second}]})
    for rewrite, expected in (
        (without, [None, None]),
        (lambda json, raw: trimmed(json, raw, most=1), [cut(first, 1), cut(second, 1)]),
    ):
        got = rewrite(rewrite(body, packed(first)), packed(second))
        assert [choice["logprobs"] for choice in json.loads(got)["choices"]] == expected


@pytest.mark.parametrize(
    ("body", "wants", "expected"),
    [
        ({}, False, None),
        ({}, True, []),
        ({"top_logprobs": None}, True, []),
        ({"top_logprobs": 0}, True, []),
        ({"top_logprobs": 1}, True, ["a"]),
        ({"top_logprobs": ALTERNATIVES}, True, ["a", "b"]),
        ({"top_logprobs": 20}, True, ["a", "b"]),
        ({"logprob_token_ids": [1]}, True, ["a", "b"]),
    ],
)
def test_a_client_sees_what_it_asked_for(body: dict[str, Any], wants: bool, expected: list[str] | None) -> None:
    raw = packed({"content": [entry("a", "b")]})
    answer = b'{"choices":[{"logprobs":%s}]}' % raw
    rewrite = rewrite_for(body, wants_logprobs=wants)
    shown = json.loads(answer if rewrite is None else rewrite(answer, raw))["choices"][0]["logprobs"]
    assert (shown and [other["token"] for other in shown["content"][0]["top_logprobs"]]) == expected


@pytest.mark.parametrize(
    "value",
    [None, {}, {"content": None}, {"content": 5}, {"content": [{"token": 5}]}, {"content": [{"logprob": 1}]}, 5],
)
def test_what_cannot_be_read_counts_as_absent(value: Any) -> None:
    good = packed({"content": [entry("a", "b")]})
    assert read_logprobs(packed(value)) == []
    assert [each.token for each in read_all_logprobs([good, packed(value), good])] == ["a", "a"]
