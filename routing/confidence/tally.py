"""One pass over an answer's log-probabilities, whole or token by token."""

from collections.abc import Iterable, Sequence
from math import isfinite

from routing.confidence.features import Features
from routing.confidence.first_value import FirstValue

MISSING_LOGPROB = -9999.0
"""What OpenAI-compatible servers write where they have no number; it and anything below counts as missing."""


class Tally:
    """Log-probabilities of one answer, summed up as they come."""

    __slots__ = ("_all_zero", "_broken", "_first", "_first_logprob", "_min", "_sum", "tokens")

    def __init__(self) -> None:
        self.tokens = 0
        self._sum = 0.0
        self._min = 0.0
        self._all_zero = True
        self._broken = False
        self._first: FirstValue | None = FirstValue()
        self._first_logprob: float | None = None

    def add(self, token: str, logprob: float) -> None:
        """Take in one token. A log-probability that cannot be one makes the whole answer's confidence unavailable."""
        if not MISSING_LOGPROB < logprob <= 0.0:
            # Rounding in an upstream may leave a probability a hair above 1.
            if not isfinite(logprob) or logprob <= MISSING_LOGPROB or logprob > 1e-3:
                self._broken = True
                return
            logprob = 0.0
        self.tokens += 1
        self._sum += logprob
        if logprob < 0.0:
            self._all_zero = False
            self._min = min(self._min, logprob)
        if self._first is not None and self._first.is_in(token):
            self._first = None
            self._first_logprob = logprob

    def extend(self, tokens: Sequence[str], logprobs: Sequence[float]) -> None:
        """Take in many tokens at once, which is the same as one by one and several times faster."""
        if not logprobs:
            return
        least, total = min(logprobs), sum(logprobs)
        if not (least > MISSING_LOGPROB and max(logprobs) <= 0.0 and total <= 0.0):  # also so for what is no number
            for token, logprob in zip(tokens, logprobs, strict=True):
                self.add(token, logprob)
            return
        self.tokens += len(logprobs)
        self._sum += total
        if least < 0.0:
            self._all_zero = False
            self._min = min(self._min, least)
        if self._first is not None:
            self._look_for_first(self._first, tokens, logprobs)

    def _look_for_first(self, first: FirstValue, tokens: Sequence[str], logprobs: Sequence[float]) -> None:
        for token, logprob in zip(tokens, logprobs, strict=True):
            if first.is_in(token):
                self._first = None
                self._first_logprob = logprob
                return

    @property
    def features(self) -> Features | None:
        """The features so far, or `None` when there is no confidence to be had.

        That is so without any log-probability, with one that is no number, and when all are exactly zero, which some
        servers return instead of saying that they have none.
        """
        if not self.tokens or self._broken or self._all_zero:
            return None
        return Features(
            tokens=self.tokens,
            sum_logprob=self._sum,
            min_logprob=self._min,
            q10_logprob=self._min,
            q20_logprob=self._min,
            first_logprob=self._first_logprob,
        )


def tally(tokens: Iterable[tuple[str, float]]) -> Features | None:
    """The features of a whole answer's `(token, logprob)` pairs.

    >>> tally([("Par", -0.5), ("is", -0.1)]).min_logprob
    -0.5
    """
    summed = Tally()
    for token, logprob in tokens:
        summed.add(token, logprob)
    return summed.features
