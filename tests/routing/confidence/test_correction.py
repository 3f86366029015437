"""The bound that audits tighten, and never loosen."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.correction import corrected, errors_in, is_worth_moving


@given(st.floats(0.01, 0.9), st.lists(st.booleans(), max_size=400))
def test_alpha_is_never_laxer_than_asked_nor_under_half_of_it(asked: float, errors: list[bool]) -> None:
    assert asked / 2 <= corrected(asked, errors) <= asked


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        pytest.param([], 0.1, id="without audits what was asked"),
        pytest.param([True], 0.091, id="one error takes gamma times 1 - alpha"),
        pytest.param([True, False], 0.092, id="a right answer gives back gamma times alpha"),
        pytest.param([False] * 500 + [True], 0.091, id="a quiet time earns no credit"),
        pytest.param([True] * 40, 0.05, id="half is the least"),
        pytest.param([True] * 40 + [False] * 60, 0.1, id="it comes back in time"),
    ],
)
def test_alpha_follows_what_audits_find(errors: list[bool], expected: float) -> None:
    assert corrected(0.1, errors) == pytest.approx(expected, abs=1e-12)


def test_alpha_goes_on_from_where_it_stood() -> None:
    whole = [True, False, True, False, False]
    assert corrected(0.1, whole[3:], corrected(0.1, whole[:3])) == corrected(0.1, whole)


def test_risk_below_what_was_asked_leaves_alpha_nearly_as_it_was() -> None:
    errors = [at % 20 == 0 for at in range(1, 401)]  # one in twenty
    assert corrected(0.1, errors) > 0.09


@pytest.mark.parametrize(
    ("asked", "wanted", "moves"),
    [(0.1, 0.091, False), (0.1, 0.09, True), (0.3, 0.28, False), (0.3, 0.27, True), (0.02, 0.016, False)],
)
def test_a_threshold_is_replaced_only_for_a_change_that_matters(asked: float, wanted: float, moves: bool) -> None:
    assert is_worth_moving(asked, asked, wanted) is moves
    assert is_worth_moving(asked, wanted, asked) is moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    value: float = 0.0
    confidence_mode: str | None = "risk"
    confidence: float | None = 0.9
    threshold: float | None = 0.5
    is_gated: bool = False


WRONG = Audit()


@pytest.mark.parametrize(
    ("audit", "found"),
    [
        pytest.param(WRONG, [True], id="wrong and above the threshold"),
        pytest.param(replace(WRONG, value=1.0), [False], id="right"),
        pytest.param(replace(WRONG, confidence=0.4), [False], id="wrong and below the threshold"),
        pytest.param(replace(WRONG, confidence=0.5), [True], id="wrong and at the threshold"),
        pytest.param(replace(WRONG, confidence=None), [True], id="nothing to judge it by, so it was served"),
        pytest.param(replace(WRONG, is_gated=True), [False], id="a hard gate had it replaced"),
        pytest.param(replace(WRONG, threshold=None), [], id="nothing was compared"),
        pytest.param(replace(WRONG, confidence_mode="observe"), [], id="judged in another mode"),
        pytest.param(replace(WRONG, confidence_mode=None), [], id="not judged"),
    ],
)
def test_an_error_is_an_answer_that_was_accepted_and_is_wrong(audit: Audit, found: list[bool]) -> None:
    assert errors_in([audit]) == found
