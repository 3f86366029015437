"""Withhold the start of a stream until it is known to be worth sending.

    HOLDING --window full, deadline or end; sure enough--> RELEASED   (no way back: bytes are out)
    HOLDING --window full, deadline or end; doubtful-----> ABANDONED  (another model may still answer)

Either everything that was held is released, in order, or nothing of it ever is.
"""

from enum import StrEnum

from routing.answer.policy import AnswerPolicy, HoldWindow
from routing.confidence.gate import Judgement

MIN_TOKENS_TO_JUDGE = 4
"""A prefix shorter than this says too little: at the deadline it is released unjudged."""


class HoldState(StrEnum):
    """What may happen to the bytes of a stream."""

    HOLDING = "holding"
    RELEASED = "released"
    ABANDONED = "abandoned"


def window_of(policy: AnswerPolicy, *, is_last: bool) -> HoldWindow:
    """The window for one attempt: nothing is held where doubt would have no consequence."""
    if is_last or not policy.holds:
        return HoldWindow(tokens=0, ms=None)
    return policy.hold


def is_full(
    window: HoldWindow, *, tokens: int, is_overdue: bool, has_value: bool = False, is_flawed: bool = False
) -> bool:
    """Whether it is time to judge a stream that has brought `tokens` content tokens and has not ended.

    Args:
        window: how much is held.
        tokens: how many have come.
        is_overdue: the window's time is over.
        has_value: the JSON value that was asked for is complete, so that nothing more is to be learnt.
        is_flawed: it is complete, and not what was asked for: it is held to its end, which is near, and judged as the
            whole answer that it is.
    """
    if is_flawed and window.tokens != 0:
        return False
    return is_overdue or (window.tokens is not None and (has_value or tokens >= window.tokens))


def says_enough(window: HoldWindow, *, tokens: int, is_overdue: bool) -> bool:
    """Whether what was held is judged. Else it is released, and no moving threshold may learn of it."""
    return window.tokens != 0 and not (is_overdue and tokens < MIN_TOKENS_TO_JUDGE)


def decide(judgement: Judgement | None, window: HoldWindow, *, tokens: int, is_overdue: bool) -> HoldState:
    """Release or abandon a stream whose window is full."""
    if judgement is None or not says_enough(window, tokens=tokens, is_overdue=is_overdue):
        return HoldState.RELEASED
    return HoldState.ABANDONED if judgement.is_doubtful else HoldState.RELEASED
