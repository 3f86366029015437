import pytest

from routing.confidence.evidence import Evidence, Graded


@pytest.mark.parametrize("wrong", [(1,), (1, 0, 0)])
def test_grades_go_with_confidences(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"2 confidences and {len(wrong)} grades"):
        Graded(confidences=(0.1, 0.2), wrong=wrong)


def test_answers_need_no_grades() -> None:
    assert Graded(confidences=(0.1, 0.2)).wrong == ()
    assert Evidence().whole == Evidence().prefix == Graded()
