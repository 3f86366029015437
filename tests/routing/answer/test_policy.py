import pytest

from routing.answer.policy import CONDITIONAL_REASONS, HOLD_FULL, HOLD_NONE, AnswerPolicy, HoldWindow
from routing.confidence.gate import ConfidenceMode, Gate, Yardstick
from routing.words import ModelName, Reason
from tests.fakes.judging import threshold_gate

LARGE = ModelName("large")
THRESHOLD = threshold_gate(0.8)


def test_a_policy_says_by_default_what_an_absent_fallback_section_means() -> None:
    policy = AnswerPolicy()
    assert policy.fallback is None
    assert policy.when == frozenset(CONDITIONAL_REASONS)
    assert policy.gate == Gate(mode=ConfidenceMode.OBSERVE)
    assert policy.hold == HOLD_NONE


@pytest.mark.parametrize("reason", Reason)
def test_without_a_fallback_nothing_is_replaced(reason: Reason) -> None:
    assert not AnswerPolicy().replaces(reason)


@pytest.mark.parametrize("reason", Reason)
def test_only_the_reasons_of_when_are_replaced_and_unavailable_always_is(reason: Reason) -> None:
    only = AnswerPolicy(fallback=LARGE, when=frozenset({reason}))
    assert {r for r in Reason if only.replaces(r)} == {reason, Reason.UNAVAILABLE}
    assert {r for r in Reason if AnswerPolicy(fallback=LARGE, when=frozenset()).replaces(r)} == {Reason.UNAVAILABLE}


def test_every_reason_but_unavailable_can_be_left_out() -> None:
    assert set(CONDITIONAL_REASONS) == set(Reason) - {Reason.UNAVAILABLE}


@pytest.mark.parametrize(
    ("policy", "acts"),
    [
        pytest.param(AnswerPolicy(fallback=LARGE, gate=THRESHOLD), True, id="a threshold and a fallback"),
        pytest.param(AnswerPolicy(gate=THRESHOLD), False, id="no fallback"),
        pytest.param(AnswerPolicy(fallback=LARGE), False, id="observing only"),
        pytest.param(
            AnswerPolicy(fallback=LARGE, gate=THRESHOLD, when=frozenset({Reason.ERROR})), False, id="doubt left out"
        ),
        pytest.param(AnswerPolicy(fallback=LARGE, gate=Gate(mode=ConfidenceMode.NONE)), False, id="no confidence"),
    ],
)
def test_doubt_has_consequences_only_with_a_threshold_and_somewhere_to_go(policy: AnswerPolicy, acts: bool) -> None:
    assert policy.acts_on_doubt is acts


@pytest.mark.parametrize(
    ("gate", "hold", "holds"),
    [
        pytest.param(THRESHOLD, HoldWindow(tokens=16, ms=300), True, id="a prefix that is compared"),
        pytest.param(THRESHOLD, HOLD_FULL, True, id="a whole answer that is compared"),
        pytest.param(
            Gate(whole=Yardstick(threshold=0.8)),
            HoldWindow(tokens=16, ms=300),
            False,
            id="a prefix that cannot be judged is not worth waiting for",
        ),
        pytest.param(Gate(whole=Yardstick(threshold=0.8)), HOLD_FULL, True, id="but a whole answer can"),
        pytest.param(Gate(prefix=Yardstick(threshold=0.8)), HOLD_FULL, False, id="nor the other way round"),
    ],
)
def test_a_stream_is_held_where_what_is_held_can_be_judged(gate: Gate, hold: HoldWindow, holds: bool) -> None:
    assert AnswerPolicy(fallback=LARGE, gate=gate, hold=hold).holds is holds


def test_the_named_holds_keep_back_nothing_and_everything() -> None:
    assert HoldWindow(tokens=0, ms=None) == HOLD_NONE
    assert HoldWindow(tokens=None, ms=None) == HOLD_FULL
