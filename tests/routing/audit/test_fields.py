import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.audit.fields import agree_as_json, parse_json, same_value

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("arm", "large", "fields", "agrees"),
    [
        pytest.param('{"a":1,"b":2}', '{"b":2,"a":1}', (), True, id="the order of keys does not matter"),
        pytest.param('{"a":1}', '{"a":1.0}', (), True, id="numbers are equal by value"),
        pytest.param('{"a":true}', '{"a":1}', (), False, id="a truth value is no number"),
        pytest.param('{"a":"1"}', '{"a":1}', (), False, id="nor is a text"),
        pytest.param('{"a":null}', "{}", (), False, id="null is not missing"),
        pytest.param('{"a":"X"}', '{"a":"x"}', (), False, id="texts count letter by letter"),
        pytest.param('{"a":[1,2]}', '{"a":[2,1]}', (), False, id="lists have an order"),
        pytest.param('{"a":1,"b":2}', '{"a":1,"b":3}', ("a",), True, id="only the fields that count"),
        pytest.param('{"a":{"b":[{"c":1}]}}', '{"a":{"b":[{"c":1}]},"x":0}', ("a.b.0.c",), True, id="a dotted path"),
        pytest.param('{"a":{"b":1}}', '{"a":{"b":2}}', ("a.b",), False, id="a path that differs"),
        pytest.param("{}", "{}", ("a.b",), True, id="missing on both sides is equal"),
        pytest.param("{}", '{"a":1}', ("a",), False, id="missing on one side is not"),
        pytest.param('{"a":[1]}', '{"a":[1]}', ("a.5",), True, id="past the end of a list is missing"),
        pytest.param('```json\n{"a":1}\n```', '{"a":1}', ("a",), True, id="fences around JSON do not matter"),
        pytest.param('{"a":1}', '```\n{"a":1}\n```', ("a",), True, id="nor do nameless ones"),
        pytest.param("refund", '{"a":1}', ("a",), False, id="no JSON counts against the arm"),
        pytest.param('["a"]', '{"a":1}', ("b",), False, id="so does what is no object"),
        pytest.param('{"a":NaN}', '{"a":1}', (), False, id="so does NaN, which is no JSON"),
        pytest.param('{"a":1}', "I think refund", ("a",), None, id="the large model's is to be JSON"),
        pytest.param('{"a":1}', '"refund"', (), None, id="and an object"),
        pytest.param("refund", "refund", ("a",), None, id="two that are no JSON agree on nothing"),
    ],
)
def test_objects_agree_where_it_counts(arm: str, large: str, fields: tuple[str, ...], agrees: bool | None) -> None:
    assert agree_as_json(arm, large, fields).agrees is agrees


def test_the_fields_that_differ_are_named_and_nothing_of_their_content() -> None:
    found = agree_as_json('{"a":"secret","b":1,"c":2}', '{"a":"other","b":1,"c":3}', ("a", "b", "c"))
    assert (found.agrees, found.detail) == (False, "differ in a, c")


@pytest.mark.parametrize("depth", [400, 100_000])
def test_no_nesting_is_deep_enough_to_break_it(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    assert agree_as_json(nested, nested, ()).agrees in (True, None)
    assert agree_as_json(nested, '{"a":1}', ("b",)).agrees in (True, False)


def test_a_number_too_long_for_python_is_no_json_here() -> None:
    with pytest.raises(ValueError, match="limit"):
        parse_json("1" * 5000)


@given(JSON_VALUES)
def test_a_value_equals_itself_however_it_is_written(value: object) -> None:
    assert same_value(json.loads(json.dumps(value, indent=3, sort_keys=True)), value)


@given(JSON_VALUES, JSON_VALUES)
def test_equality_has_no_direction(one: object, other: object) -> None:
    assert same_value(one, other) == same_value(other, one)
