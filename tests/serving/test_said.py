"""What an answer says, whole or collected from deltas."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from serving.said import Said, ToolCall, call_texts, calls_in, text_of

LOOKUP = {"id": "1", "type": "function", "function": {"name": "lookup", "arguments": '{"b": 1, "a": 2}'}}


def message(content: Any = None, tool_calls: Any = None, function_call: Any = None) -> SimpleNamespace:
    return SimpleNamespace(content=content, tool_calls=tool_calls, function_call=function_call)


@pytest.mark.parametrize(
    ("tool_calls", "function_call", "calls"),
    [
        (None, None, []),
        ([], None, []),
        ([LOOKUP], None, [ToolCall("lookup", '{"b": 1, "a": 2}')]),
        (None, {"name": "f", "arguments": "{}"}, [ToolCall("f", "{}")]),
        ([{"type": "custom", "custom": {"name": "c", "input": "x"}}], None, [ToolCall(None, None, is_function=False)]),
        ([{"id": "1"}, 5], None, [ToolCall(None, None), ToolCall(None, None)]),
        ("odd", "odd", []),
    ],
)
def test_the_calls_in_a_message(tool_calls: Any, function_call: Any, calls: list[ToolCall]) -> None:
    assert calls_in(message(None, tool_calls, function_call)) == calls


@pytest.mark.parametrize(
    ("content", "calls", "text"),
    [
        ("Yes", [], "Yes"),
        ("Yes", [ToolCall("f", "{}")], "Yes"),
        ("", [], None),
        (None, [], None),
        (None, [ToolCall("f", '{"b": 1, "a": [2]}')], '[{"arguments":{"a":[2],"b":1},"name":"f"}]'),
        (None, [ToolCall("f", '{"b"')], '[{"arguments":"{\\"b\\"","name":"f"}]'),
        ([{"type": "text"}], [], None),
    ],
)
def test_the_text_is_the_content_or_the_calls(content: Any, calls: list[ToolCall], text: str | None) -> None:
    assert text_of(content, calls) == text


def test_calls_that_mean_the_same_have_the_same_text() -> None:
    one, other = ToolCall("f", '{"a": 1, "b": 2}'), ToolCall("f", '{"b":2,"a":1}')
    assert text_of(None, [one]) == text_of("", [other])


def test_a_stream_says_what_its_deltas_say_together() -> None:
    said = Said()
    for content in ("Ye", None, "", "s", 5):
        said.take(message(content))
    assert (said.content, said.calls) == ("Yes", [])


def test_calls_are_put_together_by_their_index() -> None:
    said = Said()
    for call in (
        {"index": 0, "id": "1", "type": "function", "function": {"name": "lookup", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 1, "id": "2", "function": {"name": "send"}},
        {"index": 0, "function": {"arguments": ": 1}", "name": None}},
        {"index": 1, "function": {"arguments": "{}"}},
    ):
        said.take(message(tool_calls=[call]))
    assert said.calls == [ToolCall("lookup", '{"a": 1}'), ToolCall("send", "{}")]


def test_the_older_function_call_is_put_together_too() -> None:
    said = Said()
    said.take(message(function_call={"name": "f", "arguments": ""}))
    said.take(message(function_call={"arguments": "{}"}))
    assert said.calls == [ToolCall("f", "{}")]


def test_a_custom_tool_is_no_function() -> None:
    said = Said()
    said.take(message(tool_calls=[{"index": 0, "type": "custom", "custom": {"name": "c", "input": "x"}}]))
    assert said.calls == [ToolCall(None, None, is_function=False)]


@pytest.mark.parametrize("odd", ["x", 5, [5], [None], [{}], [{"index": []}], [{"function": 5}], {"a": 1}])
def test_odd_deltas_are_no_bug(odd: Any) -> None:
    said = Said()
    said.take(message(odd, odd, odd))
    json.dumps([said.content, said.calls])


def test_calls_as_texts() -> None:
    calls = [
        ToolCall("f", '{"b": 1}'),
        ToolCall("g", None),
        ToolCall("h", {"a": 1}),
        ToolCall(None, None, is_function=False),
    ]
    assert call_texts(calls) == (("f", '{"b": 1}'), ("g", ""), ("h", '{"a":1}'), ("None", "?"))


def test_a_text_completion_says_its_pieces() -> None:
    said = Said()
    said.say("Ye")
    said.say("s")
    assert (said.content, said.calls) == ("Yes", [])
