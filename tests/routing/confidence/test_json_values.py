import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routing.confidence.json_values import JsonValues


def touched(pieces: list[str]) -> list[str]:
    values = JsonValues()
    return [piece for piece in pieces if values.touches(piece)]


@pytest.mark.parametrize(
    ("pieces", "values"),
    [
        pytest.param(['{"', "int", "ent", '":', ' "', "ref", "und", '"}'], ["ref", "und"], id="a string"),
        pytest.param(['{"', "n", '":', " -", "3", ".5e", "+7", "}"], [" -", "3", ".5e", "+7"], id="a number"),
        pytest.param(["{", '"a": ', "true", ", ", '"b": ', "null", "}"], ["true", "null"], id="bare words"),
        pytest.param(['{"a": "x', '", "b": "', "y", '"}'], ['{"a": "x', "y"], id="a token that reaches into a value"),
        pytest.param(['["', "a", '","', "b", '"]'], ["a", "b"], id="a list of strings"),
        pytest.param(["[[", "1", ",", "2", "],[", "]]"], ["1", "2"], id="lists in a list"),
        pytest.param(['{"a":{"', "b", '":{"', "c", '":', "1", "}}}"], ["1"], id="nested objects have keys too"),
        pytest.param(['{"', "a", '":"', "b", '":"', "c"], ["b"], id="a colon after a value breaks it"),
        pytest.param(['{"', r"k\"x", '":"', "v", '"'], ["v"], id="an escaped quote in a key"),
        pytest.param(['{"a":"', "x\\", '"', "y", '"}'], ["x\\", '"', "y"], id="an escape cut in two"),
        pytest.param(['{"a":"', r"\\", '"', ',"', "b", '":1'], [r"\\", '":1'], id="an escaped backslash"),
        pytest.param(
            ['{"a":"', "}", ",", ":", " ", '"}'], ["}", ",", ":", " "], id="structure within a string is none"
        ),
        pytest.param(['{"a":"', '"', "}"], [], id="an empty string has no value token"),
        pytest.param(["{", "}"], [], id="an empty object"),
        pytest.param(["[", "]"], [], id="an empty list"),
        pytest.param(["true", "<|im_end|>"], ["true"], id="what follows the text is no value"),
        pytest.param(['"', "refund", '"', "<|im_end|>"], ["refund"], id="a bare string"),
        pytest.param(["Sure", "! ", '{"a":', '"b"}'], ["Sure"], id="text is no JSON"),
        pytest.param(["```", "json\n", '{"a": ', "1", "}"], [], id="nor is a fence"),
        pytest.param(["{", "a", ":", "1", "}"], [], id="a bare key breaks it"),
        pytest.param(["[1", "}", "2", "]"], ["[1"], id="a bracket that closes another"),
        pytest.param(["1", "]", "2"], ["1"], id="nothing to close"),
        pytest.param(["", " ", "\n"], [], id="white space"),
    ],
)
def test_the_pieces_that_touch_a_value(pieces: list[str], values: list[str]) -> None:
    assert touched(pieces) == values


@pytest.mark.parametrize(
    ("text", "is_complete"),
    [
        ('{"a": [1, {"b": "}"}]}', True),
        ('{"a": 1} ', True),
        ("[]", True),
        ('"x"', True),
        ("12 ", True),
        ("12", False),
        ('{"a": 1', False),
        ('{"a": "}', False),
        ('"x\\"', False),
        ("", False),
        ("]", False),
        ("{]", False),
        ("oh {}", True),  # a bare word is over at the white space; that it is no JSON word is not for this to say
    ],
)
def test_when_the_text_is_complete(text: str, is_complete: bool) -> None:
    values = JsonValues()
    values.touches(text)
    assert values.is_complete is is_complete


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def value_chars(value: Any) -> list[str]:
    """What of a value is no structure, as `json.dumps` writes it."""
    if isinstance(value, dict):
        return [char for part in value.values() for char in value_chars(part)]
    if isinstance(value, list):
        return [char for part in value for char in value_chars(part)]
    written = json.dumps(value, ensure_ascii=False)
    return list(written[1:-1] if isinstance(value, str) else written)


@given(value=JSON, indent=st.sampled_from([None, 2]))
def test_of_any_json_exactly_the_values_are_values(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert touched(list(text)) == value_chars(value)


@given(value=JSON)
def test_a_text_is_complete_at_its_last_bracket_and_not_before(value: Any) -> None:
    values, text = JsonValues(), json.dumps({"a": value})
    for char in text:
        assert not values.is_complete
        values.touches(char)
    assert values.is_complete


@given(value=JSON, cuts=st.lists(st.integers(0, 200), max_size=8))
@example(value={"a": '\\"'}, cuts=[7])
def test_where_pieces_are_cut_does_not_matter(value: Any, cuts: list[int]) -> None:
    text = json.dumps(value)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    by_char, by_piece = JsonValues(), JsonValues()
    expected = [any([by_char.touches(char) for char in piece]) for piece in pieces]
    assert [by_piece.touches(piece) for piece in pieces] == expected
    assert by_piece.is_complete == by_char.is_complete


@given(text=st.text(alphabet="{}[],:\n 1a-e+.é<", max_size=40))
def test_without_quotes_no_bracket_comma_colon_or_white_space_is_ever_a_value(text: str) -> None:
    assert not set(touched(list(text))) & set("{}[],:\n <")
