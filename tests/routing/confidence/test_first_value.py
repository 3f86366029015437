from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routing.confidence.first_value import FirstValue


def first_value(tokens: list[str]) -> str | None:
    finder = FirstValue()
    return next((token for token in tokens if finder.is_in(token)), None)


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        pytest.param(["Paris", " is", " it"], "Paris", id="plain text begins at once"),
        pytest.param(["\n", "  ", " Paris"], " Paris", id="white space is skipped"),
        pytest.param(["«", "¿", " Sí"], " Sí", id="punctuation is skipped"),
        pytest.param(["**", "Yes", "**"], "Yes", id="emphasis is skipped"),
        pytest.param(["-", "5"], "5", id="a sign is not yet a number"),
        pytest.param(["退", "款"], "退", id="letters of any script count"),
        pytest.param(['"', "refund", '"'], "refund", id="a bare JSON string"),
        pytest.param(["true"], "true", id="a bare JSON literal"),
        pytest.param(['{"', "intent", '":', ' "', "refund", '"}'], "refund", id="a key is structure"),
        pytest.param(["{", '"', "int", "ent", '"', ":", ' "', "ref", "und"], "ref", id="a key in several tokens"),
        pytest.param(['{"intent": "refund"', ', "urgency": 3}'], '{"intent": "refund"', id="all in one token"),
        pytest.param(['{"intent": "', "refund"], "refund", id="key and opening quote in one token"),
        pytest.param([' {"', "n", '":', " -", "3", "}"], "3", id="a number"),
        pytest.param(['{"', "n", '":', " null", "}"], " null", id="a literal"),
        pytest.param(["{\n", '  "', "a", '"\n :\n', ' "', "x"], "x", id="white space anywhere"),
        pytest.param(['{"', "a", '": {"', "b", '": "', "x", '"}}'], "x", id="a nested object has keys too"),
        pytest.param(['["', "a", '", "', "b", '"]'], "a", id="an array of strings"),
        pytest.param(["[", "[", "12", "]", "]"], "12", id="an array in an array"),
        pytest.param(['[{"', "k", '": "', "v", '"}]'], "v", id="an array of objects"),
        pytest.param(['{"', "a", '": ["', "x", '"]}'], "x", id="an array as a value"),
        pytest.param(['{"', "a", '": "",', ' "', "b", '": "', "x"], "x", id="an empty string is passed over"),
        pytest.param(['{"', "a", '": [],', ' "', "b", '": "', "x"], "x", id="an empty array is passed over"),
        pytest.param(['{"', "a", '": {},', ' "', "b", '": "', "x"], "x", id="an empty object is passed over"),
        pytest.param(["[{}, ", '"', "x"], "x", id="a string after an empty object is a value"),
        pytest.param(['["", {"', "k", '": "', "x"], "x", id="an object after an empty string has keys"),
        pytest.param(['{"', "a", '": ", : {",', ' "', "b", '": "', "x"], "x", id="structure in a string is none"),
        pytest.param(['{"', r"a\"b", '": "', "x"], "x", id="an escaped quote does not end a key"),
        pytest.param(['{"', "a\\", '"', 'b": "', "x"], "x", id="an escape may be cut in two"),
        pytest.param(['{"', "a", '": "', r"\n\t", "x"], "x", id="escaped white space is white space"),
        pytest.param(['{"', "a", '": "', r"\"", "x"], "x", id="an escaped quote does not end a string"),
        pytest.param(['{"', "a", '": "', r"\u00e9"], r"\u00e9", id="an escaped letter is a letter"),
        pytest.param(["```", "json", "\n", '{"', "a", '": "', "x"], "x", id="a fence and its language are skipped"),
        pytest.param(["```\n", "{", '"a": ', "7"], "7", id="a fence without a language"),
        pytest.param(["``", "``", " json", "\n", "[", "7"], "7", id="a fence of four"),
        pytest.param(["`", "refund", "`"], "refund", id="inline code is text"),
        pytest.param(["{", "}", "\n", "Sorry"], "Sorry", id="text after an empty object"),
        pytest.param(["[]", " none"], " none", id="text after an empty array"),
        pytest.param(["{x", "}", " y"], " y", id="what only looks like JSON has no key"),
        pytest.param(["Here: ", '{"', "a"], "Here: ", id="text before JSON is the value"),
    ],
)
def test_the_first_value_token(tokens: list[str], found: str) -> None:
    assert first_value(tokens) == found


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param([], id="nothing"),
        pytest.param(["", " ", "\n\n"], id="white space"),
        pytest.param(["...", "!?", "—"], id="punctuation"),
        pytest.param(["{", "}"], id="an empty object"),
        pytest.param(['{"', "intent", '": ""}'], id="an empty string"),
        pytest.param(['{"', "intent", '":'], id="cut before the value"),
        pytest.param(["```", "json", "\n", "```"], id="an empty fence"),
    ],
)
def test_an_answer_may_have_no_value(tokens: list[str]) -> None:
    assert first_value(tokens) is None


SNIPPETS = ['{"', "intent", '":', ' "', "refund", '"', ",", "}", "[", "]", "\\", " ", "7", "```", "\n", "é", ":", "-"]


@given(tokens=st.lists(st.sampled_from(SNIPPETS), max_size=20))
@example(tokens=["```", "\n", "{", "7"])
def test_where_tokens_are_cut_does_not_matter(tokens: list[str]) -> None:
    by_char, by_token = FirstValue(), FirstValue()
    char_at = next((at for at, char in enumerate("".join(tokens)) if by_char.is_in(char)), None)
    token_at = next((at for at, token in enumerate(tokens) if by_token.is_in(token)), None)
    ends = accumulate(map(len, tokens))
    assert token_at == (None if char_at is None else next(at for at, end in enumerate(ends) if end > char_at))


@given(text=st.text())
def test_no_text_is_too_strange(text: str) -> None:
    found = first_value(list(text))
    assert found is None or found.isalnum()
