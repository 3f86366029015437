"""Whole answers, taken apart."""

import json
from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.scores import ScoreName, raw_score
from serving.errors import ErrorInstead, Faulted, Malformed, UpstreamError
from serving.logprobs import without
from serving.structure import structure_of
from serving.whole import WholeAnswer, read_whole
from tests.fakes.raw_upstream import completion, logprobs

LOGPROBS = logprobs(("re", -0.2), ("fund", -0.4))


def read(body: bytes, *, judges: bool = True, hides: bool = True) -> WholeAnswer:
    return read_whole(body, judges=judges, rewrite=without if hides else None)


def test_an_answer_is_read_and_its_log_probabilities_taken_out() -> None:
    body = completion("refund", choice={"logprobs": LOGPROBS})
    answer = read(body)
    assert answer.features is not None
    assert raw_score(answer.features, ScoreName.MEAN_LOGPROB) == pytest.approx(exp(-0.3))
    assert raw_score(answer.features, ScoreName.MIN_LOGPROB) == pytest.approx(exp(-0.4))
    assert (answer.flaw, answer.finish_reason, answer.output_tokens_seen) == (None, "stop", 2)
    expected = json.loads(body)
    expected["choices"][0]["logprobs"] = None
    assert json.loads(answer.body) == expected


def test_they_stay_for_a_client_who_asked() -> None:
    body = completion("refund", choice={"logprobs": LOGPROBS})
    assert read(body, hides=False).body == body


def test_nothing_else_is_touched() -> None:
    said = json.dumps({"logprobs": LOGPROBS})  # a model that talks about log-probabilities
    body = completion(said, choice={"logprobs": LOGPROBS})
    assert json.loads(read(body).body)["choices"][0]["message"]["content"] == said


@pytest.mark.parametrize("value", [{}, {"content": None}, {"content": []}, 0, 1, True, "stop", [], "assistant"])
def test_odd_log_probabilities_are_hidden_without_harm_to_the_rest(value: Any) -> None:
    # Each of these also occurs elsewhere in the answer.
    body = completion(
        None, choice={"logprobs": value}, message={"tool_calls": [{"a": {}, "content": []}], "b": {"content": None}}
    )
    answer = read(body)
    expected = json.loads(body)
    expected["choices"][0]["logprobs"] = None
    assert json.loads(answer.body) == expected
    assert answer.features is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"content": [{"token": "a"}]},
        {"content": [{"token": "a", "logprob": None}]},
        {"content": [{"token": 5, "logprob": -1.0}]},
        {"content": [{"logprob": -1.0}]},
        {"content": "abc"},
        logprobs(("a", 0.0), ("b", 0.0)),
        logprobs(("a", -9999.0), ("b", -0.1)),
        logprobs(("a", 5.0)),
    ],
)
def test_unusable_log_probabilities_mean_no_confidence(value: Any) -> None:
    assert read(completion("ab", choice={"logprobs": value})).features is None


def test_several_choices_have_no_confidence() -> None:
    body = json.loads(completion("a", choice={"logprobs": LOGPROBS}))
    body["choices"] *= 2
    answer = read(json.dumps(body).encode())
    assert answer.features is None
    assert [choice["logprobs"] for choice in json.loads(answer.body)["choices"]] == [None, None]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", Malformed),
        (b"<html>", Malformed),
        (b"[]", Malformed),
        (b"null", Malformed),
        (b"{}", Malformed),
        (b'{"choices": []}', Malformed),
        (b'{"choices": {}}', Malformed),
        (b'{"choices": [5]}', Malformed),
        (b'{"choices": [{"message": {"content": "\xff"}}]}', Malformed),
        (b'{"id": "\xff", "choices": [{"message": {"content": "x"}}]}', Malformed),
        (completion("x")[:-5], Malformed),
        (b'{"error": {"message": "x"}}', ErrorInstead),
        (b'{"error": "x", "choices": []}', ErrorInstead),
        (completion("x", error={"code": 500}), ErrorInstead),
        (completion("x", choice={"finish_reason": "abort"}), Faulted),
        (completion("x", choice={"finish_reason": "error"}), Faulted),
    ],
)
def test_cases_78_to_80_and_89_what_is_no_answer(body: bytes, error: type[UpstreamError]) -> None:
    with pytest.raises(error):
        read(body)


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (completion("x"), None),
        (completion(""), "empty"),
        (completion(None), "empty"),
        (completion(None, message={"tool_calls": [{"id": "1"}]}), None),
        (completion(None, message={"function_call": {"name": "f"}}), None),
        (completion(None, message={"refusal": "no"}), "refused"),
        (completion("x", choice={"finish_reason": "content_filter"}), "content_filter"),
        (completion("x", choice={"finish_reason": "length"}), None),
        (b'{"choices": [{"text": "x"}]}', None),
        (b'{"choices": [{"text": ""}]}', "empty"),
        (b'{"choices": [{}]}', "empty"),
    ],
)
def test_what_is_wrong_with_a_well_formed_answer(body: bytes, flaw: str | None) -> None:
    assert read(body).flaw == flaw


def test_without_usage_every_token_that_was_seen_counts_also_those_that_are_not_judged() -> None:
    pairs = [("<think>", -0.5), ("Hm", -0.5), ("</think>", -0.5), ("Yes", -0.5)]
    answer = read(completion("Yes", choice={"logprobs": logprobs(*pairs)}, message={"reasoning": "Hm"}, usage=None))
    assert answer.features is not None
    assert (answer.usage, answer.output_tokens_seen, answer.features.tokens) == (None, 4, 1)


def test_case_94_without_usage_the_tokens_are_estimated_by_size() -> None:
    answer = read(completion("x" * 40, usage=None))
    assert (answer.usage, answer.output_tokens_seen) == (None, 10)


@given(st.text(max_size=30), st.lists(st.tuples(st.text(max_size=4), st.floats(-9, -1e-9)), min_size=1, max_size=5))
def test_whatever_is_said_comes_through_unchanged(content: str, pairs: list[tuple[str, float]]) -> None:
    body = completion(content, choice={"logprobs": logprobs(("x", -0.5), *pairs)})
    answer = read(body)
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == content
    assert json.loads(answer.body)["choices"][0]["logprobs"] is None
    assert answer.features is not None
    assert answer.features.tokens == 1 + len(pairs)


@given(st.binary(max_size=60))
def test_no_bytes_are_ever_a_bug(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        read(body)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize(
    ("tokens", "counted"),
    [
        (["<think>", "Hm", "</think>", "\n", "Yes", "<|im_end|>"], 3),
        (["Hm", "[/THINK]", "Yes", "<|im_end|>"], 2),
        (["Hm", "[/THINK]", "No"], None),
    ],
)
def test_the_tokens_of_reasoning_do_not_count(name: str, tokens: list[str], counted: int | None) -> None:
    pairs = [(token, -1.0 / (1 + at)) for at, token in enumerate(tokens)]
    answer = read(completion("Yes", choice={"logprobs": logprobs(*pairs)}, message={name: "Hm"}))
    assert (answer.features and answer.features.tokens) == counted
    if answer.features is not None and counted is not None:
        assert answer.features.sum_logprob == pytest.approx(sum(logprob for _, logprob in pairs[-counted:]))


WANTED = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"required": ["intent"]}}}}
TOOLS = {"tools": [{"type": "function", "function": {"name": "lookup", "parameters": {"required": ["id"]}}}]}
JSON_PAIRS = [('{"', -0.9), ("intent", -0.8), ('":', -0.7), (' "', -0.6), ("ref", -0.5), ("und", -0.25), ('"}', -0.4)]


@pytest.mark.parametrize(
    ("content", "finish", "is_valid"),
    [
        ('{"intent": "refund"}', "stop", True),
        ('{"intents": 5}', "stop", False),
        ('{"intent": "ref', "length", False),
        ("Sorry", "stop", False),
    ],
)
def test_an_answer_is_checked_for_the_structure_asked_for(content: str, finish: str, is_valid: bool) -> None:
    body = completion(content, choice={"logprobs": logprobs(*JSON_PAIRS), "finish_reason": finish})
    answer = read_whole(body, judges=True, structure=structure_of(WANTED))
    assert answer.flaw == (None if is_valid else "invalid_structure")
    assert answer.features is not None
    assert (answer.features.is_valid, answer.features.is_cut) == (is_valid, finish == "length")
    assert (answer.features.tokens, answer.features.sum_logprob) == (2, -0.75)
    unasked = read_whole(body, judges=True)
    assert unasked.features is not None
    assert (unasked.flaw, unasked.features.tokens, unasked.features.is_valid) == (None, 7, None)


@pytest.mark.parametrize(("arguments", "flaw"), [('{"id": 5}', None), ('{"id"', "invalid_structure")])
@pytest.mark.parametrize("asked", [TOOLS, {**TOOLS, **WANTED}], ids=["tools", "tools and JSON"])
def test_a_call_is_checked_and_its_tokens_all_count(asked: Any, arguments: str, flaw: str | None) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "lookup", "arguments": arguments}}
    body = completion(
        None, choice={"logprobs": logprobs(("<tool_call>", -0.5), ("x", -0.5))}, message={"tool_calls": [call]}
    )
    answer = read_whole(body, judges=True, structure=structure_of(asked))
    assert answer.flaw == flaw
    assert answer.features is not None
    assert (answer.features.tokens, answer.features.is_valid) == (2, flaw is None)


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (completion("", choice={"finish_reason": "content_filter"}), "content_filter"),
        (completion(None, message={"refusal": "no"}), "refused"),
        (completion(""), "empty"),
    ],
)
def test_what_is_no_answer_at_all_is_not_blamed_for_its_structure(body: bytes, flaw: str) -> None:
    assert read_whole(body, judges=False, structure=structure_of(WANTED)).flaw == flaw


def test_an_answer_has_the_upstreams_name_and_a_text() -> None:
    answer = read(completion("Yes"))
    assert (answer.answer_id, answer.text) == ("chatcmpl-raw", "Yes")
    nameless = read(b'{"id": 5, "choices": [{"text": "Yes"}]}')
    assert (nameless.answer_id, nameless.text) == (None, "Yes")
    call = {"function": {"name": "f", "arguments": '{"a": 1}'}}
    assert read(completion(None, message={"tool_calls": [call]})).text == '[{"arguments":{"a":1},"name":"f"}]'
