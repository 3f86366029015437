from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.answer.hold import MIN_TOKENS_TO_JUDGE, HoldState, decide, is_full, window_of
from routing.answer.policy import HOLD_FULL, HOLD_NONE, AnswerPolicy, HoldWindow
from routing.confidence.gate import Gate, Judgement
from routing.confidence.tally import Tally
from routing.words import ModelName, Reason
from tests.fakes.judging import judged, threshold_gate

PREFIX = HoldWindow(tokens=16, ms=300)
GATE = threshold_gate(0.8)
POLICY = AnswerPolicy(fallback=ModelName("large"), gate=GATE, hold=PREFIX)


SURE, UNSURE, UNKNOWN = judged(0.9), judged(0.3), judged(None)


@pytest.mark.parametrize(
    ("policy", "is_last", "window"),
    [
        pytest.param(POLICY, False, PREFIX, id="the route's window where doubt has consequences"),
        pytest.param(POLICY, True, HOLD_NONE, id="nothing of the last model's stream"),
        pytest.param(AnswerPolicy(gate=GATE, hold=PREFIX), False, HOLD_NONE, id="nothing without a fallback"),
        pytest.param(
            AnswerPolicy(fallback=ModelName("large"), hold=PREFIX), False, HOLD_NONE, id="nothing while observing"
        ),
        pytest.param(
            AnswerPolicy(fallback=ModelName("large"), gate=GATE, hold=PREFIX, when=frozenset({Reason.ERROR})),
            False,
            HOLD_NONE,
            id="nothing where doubt is left out",
        ),
    ],
)
def test_what_is_held(policy: AnswerPolicy, is_last: bool, window: HoldWindow) -> None:
    assert window_of(policy, is_last=is_last) == window


@pytest.mark.parametrize(
    ("window", "tokens", "is_overdue", "full"),
    [
        pytest.param(PREFIX, 15, False, False, id="a window with room is not full"),
        pytest.param(PREFIX, 16, False, True, id="a window is full with its last token"),
        pytest.param(PREFIX, 1, True, True, id="time is up"),
        pytest.param(HOLD_FULL, 10_000, False, False, id="the whole answer is held until it ends"),
        pytest.param(HoldWindow(tokens=None, ms=300), 5, True, True, id="the whole answer may have a deadline"),
        pytest.param(HOLD_NONE, 0, False, True, id="where nothing is held it is full from the start"),
    ],
)
def test_when_a_window_is_full(window: HoldWindow, tokens: int, is_overdue: bool, full: bool) -> None:
    assert is_full(window, tokens=tokens, is_overdue=is_overdue) is full


def test_a_complete_value_fills_a_prefix_and_not_a_whole_answer() -> None:
    assert is_full(PREFIX, tokens=3, is_overdue=False, has_value=True)
    assert not is_full(HOLD_FULL, tokens=3, is_overdue=False, has_value=True)


@pytest.mark.parametrize("is_overdue", [False, True])
def test_a_complete_value_that_is_not_what_was_asked_for_is_held_to_its_end(is_overdue: bool) -> None:
    assert not is_full(PREFIX, tokens=90, is_overdue=is_overdue, has_value=True, is_flawed=True)
    assert is_full(HOLD_NONE, tokens=3, is_overdue=is_overdue, has_value=True, is_flawed=True)


@pytest.mark.parametrize(
    ("judgement", "window", "tokens", "is_overdue", "state"),
    [
        pytest.param(SURE, PREFIX, 16, False, HoldState.RELEASED, id="a sure prefix is released"),
        pytest.param(UNSURE, PREFIX, 16, False, HoldState.ABANDONED, id="a doubtful prefix is abandoned"),
        pytest.param(UNKNOWN, PREFIX, 16, False, HoldState.RELEASED, id="a prefix without a score is released"),
        pytest.param(None, PREFIX, 16, False, HoldState.RELEASED, id="a prefix without a judgement is released"),
        pytest.param(UNSURE, PREFIX, 3, True, HoldState.RELEASED, id="at the deadline three tokens say too little"),
        pytest.param(UNSURE, PREFIX, 4, True, HoldState.ABANDONED, id="at the deadline four tokens are judged"),
        pytest.param(UNSURE, PREFIX, 2, False, HoldState.ABANDONED, id="an answer of two tokens is judged at its end"),
        pytest.param(UNSURE, HOLD_NONE, 16, False, HoldState.RELEASED, id="where nothing is held all is released"),
        pytest.param(UNSURE, HOLD_FULL, 90, False, HoldState.ABANDONED, id="a whole doubtful answer is abandoned"),
    ],
)
def test_what_becomes_of_a_held_stream(
    judgement: Judgement | None, window: HoldWindow, tokens: int, is_overdue: bool, state: HoldState
) -> None:
    assert decide(judgement, window, tokens=tokens, is_overdue=is_overdue) is state


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    text: str
    logprob: float
    at_ms: int
    """From the first token."""


def stream(tokens: Sequence[Token], window: HoldWindow, gate: Gate) -> tuple[list[str], HoldState]:
    """What a client sees of a stream, and how its hold ended: the least driver there could be."""
    tally, held, sent = Tally(), list[str](), list[str]()
    state, overdue = HoldState.HOLDING, False
    for count, token in enumerate(tokens, start=1):
        if state is HoldState.RELEASED:
            sent.append(token.text)
            continue
        held.append(token.text)
        tally.add(token.text, token.logprob)
        overdue = window.ms is not None and token.at_ms >= window.ms
        if is_full(window, tokens=count, is_overdue=overdue):
            state = decide(gate.judge(tally.features), window, tokens=count, is_overdue=overdue)
            if state is HoldState.ABANDONED:
                return sent, state
            sent, held = held, []
    if state is HoldState.HOLDING:
        state = decide(gate.judge(tally.features), window, tokens=len(tokens), is_overdue=False)
        sent = held if state is HoldState.RELEASED else []
    return sent, state


@st.composite
def token_streams(draw: st.DrawFn) -> list[Token]:
    gaps = draw(st.lists(st.integers(0, 200), max_size=40))
    times = [sum(gaps[: count + 1]) for count in range(len(gaps))]
    logprob = st.floats(-6, 0) | st.just(-9999.0)
    return [Token(text=f"t{n}", logprob=draw(logprob), at_ms=at_ms) for n, at_ms in enumerate(times)]


@given(
    tokens=token_streams(),
    window=st.builds(HoldWindow, tokens=st.none() | st.integers(0, 40), ms=st.none() | st.integers(0, 2_000)),
    minimum=st.none() | st.floats(0, 1),
)
@settings(max_examples=500)
def test_all_tokens_are_released_in_order_or_none_is(
    tokens: list[Token], window: HoldWindow, minimum: float | None
) -> None:
    sent, state = stream(tokens, window, threshold_gate(minimum))
    assert state is not HoldState.HOLDING, "a hold ends at the latest with its stream"
    assert sent == ([token.text for token in tokens] if state is HoldState.RELEASED else [])
    if state is HoldState.ABANDONED:
        assert minimum is not None
        assert window.tokens != 0


def test_a_deadline_releases_a_slow_start_and_the_rest_follows() -> None:
    slow = [Token(text=f"t{n}", logprob=-5.0, at_ms=n * 150) for n in range(MIN_TOKENS_TO_JUDGE + 3)]
    assert stream(slow, PREFIX, GATE) == ([token.text for token in slow], HoldState.RELEASED)


def test_doubt_after_the_release_takes_nothing_back() -> None:
    tokens = [Token(text=f"t{n}", logprob=-0.01 if n < 16 else -8.0, at_ms=n) for n in range(40)]
    assert stream(tokens, PREFIX, GATE) == ([token.text for token in tokens], HoldState.RELEASED)
