"""When to spare a model what nobody waits for: once it is slower than usual, or says that it has too much to do.

    sparing     it said 429, or the last five answers took three times as long as they usually do
    for         10 s, twice as long each time in a row, a minute at the most
    then        one call at a time finds out, until one is as quick as usual again

What is usual is a moving mean over about fifty answers, of seconds an answer of its length: the time to the first
token and the time for each token after it are not told apart, so an answer counts as so many tokens and 50 more. A slow
answer moves it by no more than one that is three times as slow as usual, so that a queue is not taken for usual, and a
model that became slower for good is after some thirty answers.
"""

from collections import deque
from typing import Final

MANY_TIMES: Final = 3.0
RECENT: Final = 5
LEARNT_FROM: Final = 20
"""Answers before anything is called slow."""
FIRST_PAUSE_S: Final = 10.0
LAST_PAUSE_S: Final = 60.0
_NEW_WEIGHT: Final = 0.02
_TOKENS_AT_LEAST: Final = 50


class LoadGuard:
    """Of one model in one worker. Time is an argument everywhere, in seconds of one clock."""

    __slots__ = ("_answers", "_pause_s", "_paused_until_s", "_probe_until_s", "_recent", "_usual")

    def __init__(self) -> None:
        self._answers = 0
        self._usual = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._pause_s = 0.0
        self._paused_until_s = 0.0
        self._probe_until_s = 0.0

    def admits(self, now_s: float) -> bool:
        """Whether the model may be asked now. After a pause one call is let through, and a minute later another."""
        if self.is_sparing(now_s):
            return False
        if self._pause_s:
            self._probe_until_s = now_s + LAST_PAUSE_S
        return True

    def is_sparing(self, now_s: float) -> bool:
        """Whether `admits` would say no."""
        return now_s < max(self._paused_until_s, self._probe_until_s)

    def answered(self, duration_s: float, output_tokens: int, now_s: float) -> None:
        """An answer came, after so long."""
        pace = duration_s / (_TOKENS_AT_LEAST + max(0, output_tokens))
        self._probe_until_s = 0.0
        is_known = self._answers >= LEARNT_FROM
        limit = MANY_TIMES * self._usual
        self._recent.append(pace)
        if is_known and self._is_slow(pace, limit):
            self._pause(now_s)
        elif self._pause_s and now_s >= self._paused_until_s:
            self._pause_s = 0.0
            self._recent.clear()
        self._answers += 1
        weight = _NEW_WEIGHT if is_known else 1 / self._answers
        self._usual += weight * ((min(pace, limit) if is_known else pace) - self._usual)

    def turned_away(self, now_s: float) -> None:
        """The model said that it has too much to do."""
        self._probe_until_s = 0.0
        self._pause(now_s)

    def failed(self) -> None:
        """A call told nothing about how busy the model is."""
        self._probe_until_s = 0.0

    def _is_slow(self, pace: float, limit: float) -> bool:
        """By the last answers together; while it is found out whether it is still so, by the one."""
        if self._pause_s:
            return pace > limit
        return len(self._recent) == RECENT and sum(self._recent) > RECENT * limit

    def _pause(self, now_s: float) -> None:
        if now_s < self._paused_until_s:
            return  # calls that were under way when the pause began say nothing new
        self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S) if self._pause_s else FIRST_PAUSE_S
        self._paused_until_s = now_s + self._pause_s
