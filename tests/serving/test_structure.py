"""Whether an answer has the structure that its request asked for."""

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.said import ToolCall
from serving.structure import structure_of

INTENT = {
    "type": "object",
    "properties": {"intent": {"enum": ["refund", "order"]}, "urgency": {"type": "integer"}},
    "required": ["intent"],
    "additionalProperties": False,
}
LOOKUP = {"type": "function", "function": {"name": "lookup", "parameters": INTENT}}
PLAIN = {"type": "function", "function": {"name": "now"}}


def wanted(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}


def is_in(body: dict[str, Any], content: object, *calls: ToolCall) -> bool | None:
    structure = structure_of(body)
    assert structure is not None
    return structure.is_in(content, calls)


ASKS_INTENT = [
    pytest.param(wanted(INTENT), id="response_format"),
    pytest.param({"guided_json": INTENT}, id="guided_json"),
    pytest.param({"guided_json": json.dumps(INTENT)}, id="guided_json as text"),
    pytest.param({"structured_outputs": {"json": INTENT}}, id="structured_outputs"),
    pytest.param({"structured_outputs": {"json": json.dumps(INTENT)}}, id="structured_outputs as text"),
]


@pytest.mark.parametrize("body", ASKS_INTENT)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"intent": "refund"}', True),
        (' {"urgency": 3, "intent": "order"}\n', True),
        ('{"intent": "other"}', False),
        ('{"intent": "refund", "urgency": "3"}', False),
        ('{"intent": "refund", "more": 1}', False),
        ('{"intent": "ref', False),
        ('{"intent": "refund"} {}', False),
        ('```json\n{"intent": "refund"}\n```', False),
        ("refund", False),
        ("NaN", False),
        ("null", False),
        ("", False),
        (None, False),
        ([{"type": "text", "text": "{}"}], False),
        ("[" * 5000, False),
    ],
)
def test_an_answer_must_be_json_that_the_schema_allows(body: dict[str, Any], content: Any, expected: bool) -> None:
    assert is_in(body, content) is expected


@pytest.mark.parametrize(
    "body", [{"response_format": {"type": "json_object"}}, {"structured_outputs": {"json_object": True}}]
)
@pytest.mark.parametrize(("content", "expected"), [("{}", True), ("[]", False), ('"x"', False), ("{", False)])
def test_a_json_object_must_be_an_object(body: dict[str, Any], content: str, expected: bool) -> None:
    assert is_in(body, content) is expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ToolCall("lookup", '{"intent": "refund"}'), True),
        (ToolCall("lookup", '{"intent": 5}'), False),
        (ToolCall("lookup", '{"intent": "ref'), False),
        (ToolCall("lookup", ""), False),
        (ToolCall("lookup", None), False),
        (ToolCall("lookup", {"intent": "refund"}), False),
        (ToolCall("now", "{}"), True),
        (ToolCall("now", ""), True),
        (ToolCall("now", '{"zone": "UTC"}'), True),
        (ToolCall("now", "5"), False),
        (ToolCall("other", "{}"), False),
        (ToolCall(None, "{}"), False),
        (ToolCall(None, None, is_function=False), None),
    ],
)
@pytest.mark.parametrize("form", ["tools", "functions"])
def test_a_call_must_be_of_a_tool_that_there_is_with_arguments_it_takes(
    form: str, call: ToolCall, expected: bool | None
) -> None:
    body = {form: [tool if form == "tools" else tool["function"] for tool in (LOOKUP, PLAIN)]}
    assert is_in(body, None, call) is expected


def test_one_bad_call_is_enough_and_one_unknown_kind_leaves_it_open() -> None:
    good, bad = ToolCall("now", "{}"), ToolCall("now", "{")
    other = ToolCall(None, None, is_function=False)
    body = {"tools": [PLAIN]}
    assert is_in(body, None, good, good) is True
    assert is_in(body, None, good, bad, other) is False
    assert is_in(body, None, good, other) is None


def test_an_answer_in_words_is_fine_where_only_tools_were_offered() -> None:
    assert is_in({"tools": [LOOKUP]}, "Hello") is None


def test_a_call_is_judged_as_a_call_where_json_was_asked_for_too() -> None:
    assert is_in({"tools": [PLAIN], **wanted(INTENT)}, None, ToolCall("now", "{}")) is True
    assert is_in(wanted(INTENT), None, ToolCall("now", "{}")) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"response_format": None},
        {"response_format": {"type": "text"}},
        {"response_format": "json_object"},
        {"tools": None},
        {"tools": []},
        {"structured_outputs": {"regex": "x"}},
        {"structured_outputs": 5},
        {"guided_json": None},
        {"guided_choice": ["a"]},
    ],
)
def test_where_nothing_is_asked_for_nothing_is_judged(body: dict[str, Any]) -> None:
    assert structure_of(body) is None


def chain(length: int) -> dict[str, Any]:
    """A schema that is small, and enormous once its references are written out."""
    parts = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(length)}
    return {"$defs": {**parts, f"d{length}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": 5}, id="no schema"),
        pytest.param("no JSON {", id="text that is no JSON"),
        pytest.param([], id="a list"),
        pytest.param(7, id="a number"),
        pytest.param({"$ref": "#/$defs/none"}, id="a reference to nothing"),
        pytest.param({"$ref": "http://127.0.0.1:9/schema.json"}, id="a reference to the net"),
        pytest.param({"$ref": "file:///etc/hostname"}, id="a reference to a file"),
        pytest.param({"properties": {"a": {"$ref": "other.json"}}}, id="a relative reference"),
        pytest.param({"$schema": "http://127.0.0.1:9/meta", "type": "object"}, id="a dialect of its own"),
        pytest.param({"$dynamicRef": "#meta"}, id="a dynamic reference"),
        pytest.param({"properties": {"a": {"$id": "http://127.0.0.1:9/", "$ref": "x"}}}, id="another base"),
        pytest.param({"pattern": "(?=a)(?!b)"}, id="a pattern that takes no linear time"),
        pytest.param({"pattern": "("}, id="a broken pattern"),
        pytest.param(chain(40), id="references that explode"),
        pytest.param(nested(900), id="too deep"),
        pytest.param({"description": "x" * 70_000}, id="too large"),
        pytest.param({"enum": list(range(30_000))}, id="too many parts"),
    ],
)
def test_a_schema_that_cannot_be_judged_by_is_no_fault_of_the_answer(schema: Any) -> None:
    assert is_in({"guided_json": schema}, "{}") is None
    assert is_in({"guided_json": schema}, "{") is False


@pytest.mark.parametrize("keyword", ["$ref", "$schema", "$dynamicRef"])
def test_nothing_is_ever_fetched(keyword: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        for schema in ({keyword: address}, {"properties": {"a": {keyword: address}}}):
            is_in(wanted(schema), '{"a": 1}')
        with pytest.raises(BlockingIOError):
            server.accept()


def test_references_within_the_schema_are_followed_also_to_itself() -> None:
    tree = {
        "$defs": {
            "tree": {"type": "object", "properties": {"of/it": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
        },
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/tree"}, "leaf": {"$ref": "#/$defs/tree/properties/of~1it"}},
    }
    assert is_in(wanted(tree), '{"root": {"of/it": [{"of/it": []}, {}]}, "leaf": []}') is True
    assert is_in(wanted(tree), '{"root": {"of/it": [{"of/it": 5}]}}') is False
    assert is_in(wanted({"properties": {"a": {"$ref": "#"}}, "type": "object"}), '{"a": {"a": {"a": 5}}}') is False
    assert is_in(wanted({"allOf": [{"$ref": "#"}]}), "{}") is True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = st.dictionaries(
    st.sampled_from(
        ["type", "properties", "$ref", "$defs", "enum", "items", "anyOf", "pattern", "$id", "required", "x"]
    ),
    st.sampled_from(["#", "#/$defs/a", "object", "(", "http://x/"]) | JSON,
    max_size=4,
)


@given(schema=JSON | KEYWORDS, content=st.text(max_size=10) | JSON.map(json.dumps), name=JSON)
def test_nothing_that_is_asked_for_is_a_bug(schema: Any, content: str, name: Any) -> None:
    tools = [{"function": {"name": name, "parameters": schema}}, schema]
    for body in (wanted(schema), {"guided_json": schema}, {"structured_outputs": schema}, {"tools": tools}):
        structure = structure_of(body)
        if structure is not None:
            assert structure.is_in(content, []) in (True, False, None)
            assert structure.is_in(None, [ToolCall(name, content)]) in (True, False, None)
