"""Chunks of a stream, one by one."""

import json
from math import exp
from typing import Any

import pytest

from routing.confidence.scores import ScoreName, raw_score
from routing.cost.prices import Usage
from serving.chunks import ChunkReader
from serving.errors import Faulted, Malformed
from serving.logprobs import without
from serving.structure import structure_of
from serving.usage import ShownUsage
from tests.fakes.raw_upstream import logprobs


def reader(**changes: Any) -> ChunkReader:
    options: dict[str, Any] = {"judges": True, "rewrite": without, "shown_usage": ShownUsage.NONE}
    return ChunkReader(**{**options, **changes})


def chunk(delta: dict[str, Any] | None = None, **choice: Any) -> bytes:
    choices = [{"index": 0, "delta": {} if delta is None else delta, "logprobs": None, "finish_reason": None, **choice}]
    return json.dumps({"id": "x", "choices": choices}).encode()


def usage(**counts: Any) -> bytes:
    return json.dumps({"id": "x", "choices": [], "usage": counts}).encode()


def test_a_stream_adds_up() -> None:
    read = reader()
    assert read.read(chunk({"role": "assistant", "content": ""})) is not None
    assert (read.has_content, read.tokens) == (False, 0)
    read.read(chunk({"content": "re"}, logprobs=logprobs(("re", -0.2))))
    read.read(chunk({"content": "fund"}, logprobs=logprobs(("fund", -0.4))))
    assert (read.has_content, read.tokens, read.is_whole) == (True, 2, False)
    read.read(chunk(finish_reason="stop"))
    assert read.read(usage(prompt_tokens=3, completion_tokens=2)) is None
    assert read.read(b"[DONE]") == b"[DONE]"
    assert (read.is_done, read.is_whole, read.finish_reason, read.flaw) == (True, True, "stop", None)
    assert read.usage is not None
    assert (read.usage.input, read.usage.output) == (3, 2)
    features = read.features
    assert features is not None
    assert raw_score(features, ScoreName.MEAN_LOGPROB) == pytest.approx(exp(-0.3))


def test_a_chunk_comes_through_byte_for_byte_but_for_its_log_probabilities() -> None:
    payload = chunk({"content": 'grüße \\ " }'}, logprobs=logprobs(("a", -0.2)))
    got = reader().read(payload)
    assert got is not None
    assert got == payload.replace(json.dumps(logprobs(("a", -0.2))).encode(), b"null")
    assert reader(rewrite=None).read(payload) == payload


@pytest.mark.parametrize("value", [{}, {"content": None}, {"content": []}, 0, True, "stop", [], "x"])
def test_odd_log_probabilities_are_hidden_without_harm_to_the_rest(value: Any) -> None:
    payload = chunk({"content": None, "tool_calls": [{"a": {}, "b": [], "c": {"content": []}}]}, logprobs=value)
    got = reader().read(payload)
    expected = json.loads(payload)
    expected["choices"][0]["logprobs"] = None
    assert got is not None
    assert json.loads(got) == expected


@pytest.mark.parametrize("judges", [True, False])
@pytest.mark.parametrize("value", [None, {}, {"content": []}, {"content": None}, {"content": [{"logprob": -1}]}, 5])
def test_without_log_probabilities_to_count_by_a_chunk_is_a_token(value: Any, judges: bool) -> None:
    read = reader(judges=judges)
    for _ in range(3):
        read.read(chunk({"content": "x"}, logprobs=value))
    assert read.tokens == 3


@pytest.mark.parametrize(
    ("delta", "is_content"),
    [
        ({"role": "assistant"}, False),
        ({"content": ""}, False),
        ({"content": None}, False),
        ({"tool_calls": []}, False),
        ({"refusal": "no"}, False),
        ({"content": " "}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"function_call": {"name": "f"}}, True),
        ({"reasoning_content": "hm"}, True),
        ({"reasoning": "hm"}, True),
    ],
)
def test_what_counts_as_content(delta: dict[str, Any], is_content: bool) -> None:
    read = reader()
    read.read(chunk(delta))
    assert (read.has_content, read.tokens) == (is_content, int(is_content))


def test_a_text_completions_chunk_is_content_too() -> None:
    read = reader()
    read.read(b'{"choices": [{"index": 0, "text": "a", "finish_reason": null}]}')
    assert (read.has_content, read.tokens) == (True, 1)


@pytest.mark.parametrize(
    ("deltas", "finish", "flaw"),
    [
        ([{"content": "x"}], "stop", None),
        ([{"content": ""}], "stop", "empty"),
        ([{"refusal": "I"}, {"refusal": " won't"}], "stop", "refused"),
        ([{"content": "x"}], "content_filter", "content_filter"),
    ],
)
def test_what_is_wrong_with_a_stream_that_has_ended(deltas: list[Any], finish: str, flaw: str | None) -> None:
    read = reader()
    for delta in deltas:
        read.read(chunk(delta))
    read.read(chunk(finish_reason=finish))
    assert read.flaw == flaw


@pytest.mark.parametrize("finish", ["abort", "error"])
def test_case_89_an_aborted_answer_is_an_error(finish: str) -> None:
    with pytest.raises(Faulted):
        reader().read(chunk({"content": "x"}, finish_reason=finish))


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"[]", b'"x"', b'{"choices": [', b'{"choices": 5}', b'{"a": "\xff"}', b"5"]
)
def test_case_90_a_garbled_chunk_is_an_error(payload: bytes) -> None:
    with pytest.raises(Malformed):
        reader().read(payload)


@pytest.mark.parametrize(
    "payload", [b'{"error": {"message": "x"}}', b'{"error": "x"}', b'{"choices": [], "error": {}}']
)
def test_case_85_an_error_event_is_an_error(payload: bytes) -> None:
    with pytest.raises(Faulted):
        reader().read(payload)


def test_case_95_of_several_usages_the_last_one_counts_and_an_unusable_one_does_not() -> None:
    read = reader(shown_usage=ShownUsage.ALL)
    for counts in ({"prompt_tokens": 1, "completion_tokens": 1}, {"prompt_tokens": 5, "completion_tokens": 7}):
        assert read.read(usage(**counts)) is not None
    read.read(usage(prompt_tokens=-1, completion_tokens=0))
    assert read.usage is not None
    assert (read.usage.input, read.usage.output) == (5, 7)


@pytest.mark.parametrize(
    ("shown", "in_passing", "at_the_end"),
    [
        pytest.param(ShownUsage.NONE, False, False, id="who did not ask sees none"),
        pytest.param(ShownUsage.LAST, False, True, id="who asked sees the whole answer's"),
        pytest.param(ShownUsage.ALL, True, True, id="who asked for that in every chunk sees all"),
    ],
)
def test_usage_is_shown_as_it_was_asked_for(shown: ShownUsage, in_passing: bool, at_the_end: bool) -> None:
    read = reader(shown_usage=shown)
    said = r"in JSON it is \"usage\":{\"prompt_tokens\":5}"
    running = b',"usage":{"prompt_tokens":5,"total_tokens":6,"completion_tokens":1}'
    plain = b'{"id":"x","choices":[{"index":0,"delta":{"content":"%b"}}]}' % said.encode()
    sent = read.read(plain[:-1] + running + b"}")
    last = read.read(usage(prompt_tokens=5, completion_tokens=7))

    assert sent is not None
    assert sent == plain[:-1] + (running if in_passing else b',"usage":null') + b"}"
    assert json.loads(sent)["choices"] == json.loads(plain)["choices"]
    assert (last is not None) is at_the_end
    assert read.usage == Usage(input=5, output=7)


@pytest.mark.parametrize("odd", ["{}", "[]", "5", "true", '"5"', '{"5": 5}'])
def test_usage_that_is_none_is_hidden_without_a_change_to_what_was_said(odd: str) -> None:
    payload = f'{{"usage": {odd}, "choices": [{{"index": 5, "delta": {{"content": "{{}} 5 [] true"}}}}]}}'
    sent = reader().read(payload.encode())
    assert sent is not None
    assert json.loads(sent) == {**json.loads(payload), "usage": None}


def test_a_stream_that_breaks_off_has_the_usage_that_came_last() -> None:
    read = reader()
    for output in (1, 3, 6):  # several tokens a chunk
        counts = b'{"prompt_tokens":9,"total_tokens":9,"completion_tokens":%d}' % output
        read.read(b'{"choices":[{"index":0,"delta":{"content":"a b"}}],"usage":%b}' % counts)
    assert read.usage == Usage(input=9, output=6)


def test_a_stream_of_two_answers_is_whole_when_both_are_finished_or_the_upstream_says_so() -> None:
    read = reader(judges=False, choices=2)
    read.read(chunk({"content": "x"}, finish_reason="stop"))
    assert not read.is_whole
    read.read(chunk({"content": "y"}, index=1, finish_reason="length"))
    assert read.is_whole
    other = reader(judges=False, choices=2)
    other.read(chunk({"content": "x"}, finish_reason="stop"))
    other.read(b"[DONE]")
    assert other.is_whole


def test_an_empty_stream_is_not_whole_for_its_done() -> None:
    read = reader()
    read.read(b"[DONE]")
    assert not read.is_whole


def entry(token: str, logprob: float, *others: tuple[str, float]) -> dict[str, Any]:
    tokens = [
        {"token": text, "logprob": number, "bytes": list(text.encode())} for text, number in ((token, logprob), *others)
    ]
    return {**tokens[0], "top_logprobs": tokens if others else []}


def said(text: str, *entries: dict[str, Any], **choice: Any) -> bytes:
    """A chunk of content with the tokens of it."""
    return chunk({"content": text}, logprobs={"content": list(entries)}, **choice)


def whole_of(*payloads: bytes, **options: Any) -> ChunkReader:
    read = reader(**options)
    for payload in payloads:
        read.read(payload)
    return read


# The structure asked for

WANTED = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"required": ["intent"]}}}}
TOOLS = {"tools": [{"type": "function", "function": {"name": "lookup", "parameters": {"required": ["id"]}}}]}
JSON_TOKENS = ['{"', "intent", '":', ' "', "ref", "und", '"}']


def stream_of(tokens: list[str], finish: str = "stop") -> list[bytes]:
    chunks = [said(token, entry(token, -0.5 - at / 8, ("x", -2.0))) for at, token in enumerate(tokens)]
    return [*chunks, said("", entry("<|im_end|>", -5.0), finish_reason=finish)]


@pytest.mark.parametrize(
    ("tokens", "finish", "is_valid"),
    [
        (JSON_TOKENS, "stop", True),
        (JSON_TOKENS[:-1], "length", False),
        (["{", "}"], "stop", False),
        (["Sorry"], "stop", False),
    ],
)
def test_a_stream_is_checked_at_its_end(tokens: list[str], finish: str, is_valid: bool) -> None:
    read = reader(structure=structure_of(WANTED))
    *chunks, last = stream_of(tokens, finish)
    for payload in chunks:
        read.read(payload)
    assert read.features is None or read.features.is_valid is None
    read.read(last)
    assert read.flaw == (None if is_valid else "invalid_structure")
    if read.features is not None:
        assert read.features.is_valid is is_valid


def test_of_a_json_stream_only_value_tokens_count() -> None:
    read = whole_of(*stream_of(JSON_TOKENS), structure=structure_of(WANTED))
    assert read.features is not None
    assert (read.features.tokens, read.features.sum_logprob) == (2, -1.0 - 1.125)


def test_the_value_is_there_when_its_last_bracket_is() -> None:
    read = reader(structure=structure_of(WANTED))
    has_value = []
    for payload in stream_of([*JSON_TOKENS, "\n"]):
        read.read(payload)
        has_value.append(read.has_value)
    assert has_value == [False] * 6 + [True] * 3
    assert not whole_of(*stream_of(JSON_TOKENS)).has_value


@pytest.mark.parametrize(("key", "flaw"), [("intent", None), ("other", "invalid_structure")])
def test_with_its_value_complete_a_stream_is_known_to_be_valid_or_not(key: str, flaw: str | None) -> None:
    tokens = ['{"', key, '":', " 1", "}"]
    read = reader(structure=structure_of(WANTED))
    for token in tokens:
        assert read.flaw in (None, "empty")
        read.read(said(token, entry(token, -0.5)))
    assert (read.flaw, read.finish_reason) == (flaw, None)
    assert read.features is not None
    assert read.features.is_valid is None


def calls(*functions: dict[str, Any]) -> list[bytes]:
    return [
        chunk({"tool_calls": [{"index": 0, "function": function}]}, logprobs={"content": [entry("x", -0.5)]})
        for function in functions
    ]


@pytest.mark.parametrize(
    ("arguments", "flaw"), [('{"id": 5}', None), ('{"ids": 5}', "invalid_structure"), ('{"id": 5', "invalid_structure")]
)
@pytest.mark.parametrize("asked", [TOOLS, {**TOOLS, **WANTED}], ids=["tools", "tools and JSON"])
def test_a_streamed_call_is_checked_and_its_tokens_all_count(asked: Any, arguments: str, flaw: str | None) -> None:
    pieces = [{"name": "lookup", "arguments": ""}, {"arguments": arguments[:3]}, {"arguments": arguments[3:]}]
    mark = chunk({}, logprobs={"content": [entry("<tool_call>", -3.0)]})
    read = whole_of(mark, *calls(*pieces), chunk(finish_reason="tool_calls"), structure=structure_of(asked))
    assert read.flaw == flaw
    assert read.features is not None
    assert (read.features.tokens, read.features.is_valid) == (4, flaw is None)


def test_of_several_answers_none_is_checked() -> None:
    read = whole_of(
        chunk({"content": "{"}, finish_reason="stop"), judges=False, choices=2, structure=structure_of(WANTED)
    )
    assert (read.flaw, read.has_value) == (None, False)


# What it is called, and what it says


def test_the_upstreams_name_and_the_text_are_kept_where_they_are_wanted() -> None:
    read = reader(keeps_text=True)
    assert (read.answer_id, read.text) == (None, None)
    for payload in stream_of(["Ye", "s"]):
        read.read(payload)
    assert (read.answer_id, read.text) == ("x", "Yes")
    assert whole_of(*stream_of(["Yes"])).text is None


def test_the_text_of_a_call_is_json() -> None:
    read = whole_of(*calls({"name": "f", "arguments": '{"b": 1,'}, {"arguments": '"a": 2}'}), keeps_text=True)
    assert read.text == '[{"arguments":{"a":2,"b":1},"name":"f"}]'
