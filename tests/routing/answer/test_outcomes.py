from dataclasses import FrozenInstanceError

import pytest

from routing.answer.outcomes import Call, Completed, Failed, Verdict
from routing.words import ModelName, Outcome, Reason


def test_an_answer_is_flawless_and_not_committed_unless_said() -> None:
    assert Completed(judgement=None) == Completed(judgement=None, flaw=None, is_committed=False)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Call(model=ModelName("support-v1"), number=1, is_last=True), "model"),
        (Completed(judgement=None), "is_committed"),
        (Failed(reason=Reason.ERROR), "reason"),
        (Verdict(outcome=Outcome.SERVED, served=1, reason=None), "outcome"),
    ],
)
def test_what_was_asked_told_or_concluded_cannot_be_changed_afterwards(value: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, field, None)
