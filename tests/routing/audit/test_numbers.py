import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.audit.numbers import agree_as_numbers, last_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42.0),
        ("3 + 4 = 7.", 7.0),
        ("It costs $1,234.50, all told", 1234.5),
        ("1'234'567", 1234567.0),
        ("12\u202f500 kg", 12500.0),
        ("from 24 300", 300.0),
        ("1,2345", 2345.0),
        ("-5", -5.0),
        ("\u22125 degrees", -5.0),
        ("10-5", 5.0),
        ("about .5", 0.5),
        ("6.02e23 of them", 6.02e23),
        ("**17**", 17.0),
        ("_17_", 17.0),
        ("17%", 17.0),
        ("42kg", 42.0),
        ("version v2 has 3 bugs, in v1", 3.0),
        ("order AB123", None),
        ("none", None),
        ("", None),
        ("9" * 400, None),
        ("7 and " + "9" * 400, 7.0),
    ],
)
def test_the_last_number_of_a_text_is_found(text: str, number: float | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("arm", "large", "tolerance", "agrees"),
    [
        ("100", "100.0", 0.0, True),
        ("100", "100.1", 0.0, False),
        ("99", "100", 0.01, True),
        ("98.9", "100", 0.01, False),
        ("-100", "100", 0.5, False),
        ("0", "0.0", 0.0, True),
        ("it is small", "3", 0.1, False),
        ("3", "it is small", 0.1, None),
    ],
)
def test_numbers_agree_within_a_tolerance(arm: str, large: str, tolerance: float, agrees: bool | None) -> None:
    assert agree_as_numbers(arm, large, tolerance).agrees is agrees


@given(st.floats(allow_nan=False, allow_infinity=False).map(abs))
def test_what_python_writes_is_read_back(number: float) -> None:
    assert last_number(f"the answer is {number!r}") == number


@given(st.integers(0, 10**15))
def test_thousands_may_be_apart(number: int) -> None:
    assert last_number(f"{number:,} it is") == number
