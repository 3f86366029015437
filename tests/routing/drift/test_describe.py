from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.describe import MAX_CHARS, InputFacts, describe_input, last_user_text, template_of
from routing.drift.features import BY_NAME


def test_what_a_text_is_like() -> None:
    facts = describe_input("Where is my ORDER 4711?", turns=3)
    assert facts.numbers["input_length"] == pytest.approx(4.52356)  # log2(23)
    assert facts.numbers["input_words"] == pytest.approx(2.32193)  # log2(1 + 4): numbers are no words
    assert facts.numbers["turns"] == 3
    assert facts.numbers["digits"] == pytest.approx(4 / 23)
    assert facts.numbers["upper"] == pytest.approx(6 / 23)
    assert facts.numbers["whitespace"] == pytest.approx(4 / 23)
    assert facts.numbers["non_ascii"] == 0
    assert facts.categories == {"script": "latin", "language": "en"}
    assert facts.words == ["where", "is", "my", "order"]
    assert facts.grams.count("ord") == 1


@pytest.mark.parametrize("text", ["", " ", "12345", "\ud800\udfff", "\x00" * 10, "🙂" * 3, "a" * 2])
def test_a_text_that_has_little_is_described(text: str) -> None:
    facts = describe_input(text, 1)
    assert all(isfinite(value) for value in facts.numbers.values())


@given(st.text(st.characters(), max_size=300), st.integers(1, 500))
def test_every_text_falls_into_bins(text: str, turns: int) -> None:
    facts = describe_input(text, turns)
    assert_counted(facts)
    assert len(facts.grams) <= max(len(text.lower()) - 2, 0)


def assert_counted(facts: InputFacts) -> None:
    for name, value in facts.numbers.items():
        assert 0 <= BY_NAME[name].bin_of(value) < BY_NAME[name].bins
    for name, category in facts.categories.items():
        assert category in BY_NAME[name].categories


def test_halves_of_characters_do_not_get_into_what_is_kept() -> None:
    facts = describe_input("order \ud83d 4711 \udfff", 1)
    assert "".join((*facts.grams, *facts.words, facts.template)).encode()


def test_a_word_without_end_is_taken_for_several() -> None:
    assert [len(word) for word in describe_input("a" * 150, 1).words] == [64, 64, 22]


@pytest.mark.parametrize(
    "text", ['"' * 5000, "“" * 5000, "'a" * 5000, "1." * 5000, "\n" * 10_000_000], ids=lambda text: text[:2]
)
def test_of_no_text_more_than_the_beginning_is_looked_at(text: str) -> None:
    facts = describe_input(text, 1)
    assert len(facts.grams) <= MAX_CHARS


def test_of_a_long_text_the_beginning_is_looked_at_and_the_length_is_known() -> None:
    facts = describe_input("word " * 2_000_000, 1)
    assert facts.numbers["input_length"] == pytest.approx(23.2535)  # log2(10,000,000)
    assert len(facts.grams) <= MAX_CHARS


def test_numbers_and_quotations_do_not_change_a_template() -> None:
    one = template_of('order 4711 of 3.5.2026 says "not found"')
    assert one == template_of('order 12 of 24.12.2027 says "delivered"')
    assert one != template_of('invoice 4711 of 3.5.2026 says "not found"')


@pytest.mark.parametrize(
    ("body", "described"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, ("a", 2)),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, ("b", 2)),
        ({"messages": [{"role": "system", "content": "a"}]}, None),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]},
            ("a", 1),
        ),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, None),
        ({"messages": [{"role": "user", "content": None}]}, None),
        ({"prompt": "a"}, ("a", 1)),
        ({"prompt": ["a", "b"]}, ("a", 1)),
        ({"prompt": [1, 2, 3]}, None),
        ({}, None),
    ],
)
def test_the_last_message_of_the_user_is_what_is_described(
    body: dict[str, object], described: tuple[str, int] | None
) -> None:
    assert last_user_text(body) == described
