import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.audit.texts import normalized, same_text


@pytest.mark.parametrize(
    ("arm", "large", "agrees"),
    [
        pytest.param("Refund", "  refund\n", True, id="letter case and outer white space"),
        pytest.param("STRASSE", "straße", True, id="full case folding"),
        pytest.param("café", "cafe\u0301", True, id="composed and decomposed"),
        pytest.param("\uff32efund", "refund", True, id="full-width letters"),
        pytest.param("ﬁne", "fine", True, id="ligatures"),
        pytest.param("re fund", "refund", False, id="white space inside counts"),
        pytest.param("refund.", "refund", False, id="punctuation counts"),
        pytest.param("cafe", "café", False, id="accents count"),
    ],
)
def test_texts_are_the_same_apart_from_how_they_are_written(arm: str, large: str, agrees: bool) -> None:
    assert same_text(arm, large).agrees is agrees


@given(st.text())
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)


@given(st.text(), st.text())
def test_which_comes_first_does_not_matter(one: str, other: str) -> None:
    assert same_text(one, other) is same_text(other, one)
