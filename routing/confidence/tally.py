"""One pass over an answer's log-probabilities, whole or piece by piece."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, isnan
from typing import Final, cast

from routing.confidence.entropy import MISSING_LOGPROB, Alternative, TokenEntry, entropies, margin
from routing.confidence.features import Features
from routing.confidence.first_value import FirstValue
from routing.confidence.json_values import JsonValues
from routing.confidence.reasoning import CLOSES, OPENS

_ROUNDING: Final = 1e-3
"""How far above zero rounding in an upstream may leave a log-probability."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer, and what else could have come."""

    token: str
    logprob: float | None
    top_logprobs: Sequence[Alternative] | None = None


class Tally:
    """Log-probabilities of one answer, summed up as they come.

    Where the answer is to be JSON, only the tokens that touch a value of it count. Reasoning that stands in front of
    the text, between `<think>` and `</think>`, does not count. A token without a log-probability that can be one makes
    the whole answer's confidence unavailable.
    """

    __slots__ = (
        "_entropies",
        "_entropy_sum",
        "_first",
        "_first_logprob",
        "_first_margin",
        "_has_begun",
        "_has_nonzero",
        "_is_broken",
        "_is_thinking",
        "_logprobs",
        "_max_entropy",
        "_values",
        "_waiting",
    )

    def __init__(self, *, is_json: bool = False) -> None:
        """`is_json`: the request asked for JSON."""
        self._logprobs: list[float] = []
        self._has_begun = False
        self._waiting: Sequence[TokenEntry] = ()
        self._is_thinking = False
        self._has_nonzero = False
        self._is_broken = False
        self._first: FirstValue | None = FirstValue()
        self._first_logprob: float | None = None
        self._first_margin: float | None = None
        self._values = JsonValues() if is_json else None
        self._entropies = 0
        self._entropy_sum = 0.0
        self._max_entropy = 0.0

    @property
    def tokens(self) -> int:
        """How many tokens count."""
        return len(self._logprobs)

    def add(self, token: str, logprob: float) -> None:
        """Take in one token that came without alternatives."""
        self.extend((Token(token, logprob),))

    def give_up(self) -> None:
        """Have no confidence: it cannot be told which tokens are the answer's."""
        self._is_broken = True

    def extend(self, entries: Sequence[TokenEntry]) -> None:
        """Take in the next tokens."""
        if self._is_thinking or not self._has_begun:
            entries = self._after_thinking(entries)
        if not entries:
            return
        logprobs = self._checked([entry.logprob for entry in entries])
        if self._is_broken:
            return
        if self._values is not None:
            touches = self._values.touches
            counted = [at for at, entry in enumerate(entries) if touches(entry.token)]
            self._look_for_first(entries, logprobs, frozenset(counted))
            entries = [entries[at] for at in counted]
            logprobs = [logprobs[at] for at in counted]
        elif self._first is not None:
            self._look_for_first(entries, logprobs, range(len(entries)))
        self._logprobs += logprobs
        found = entropies(entries)
        if found:
            self._entropies += len(found)
            self._entropy_sum += sum(found)
            self._max_entropy = max(self._max_entropy, *found)

    @property
    def features(self) -> Features | None:
        """The features so far, or `None` when there is no confidence to be had.

        That is so without any log-probability, for nothing but white space, with one that is no number, and when all
        are exactly zero, which some servers return instead of saying that they have none.
        """
        return self.sum_up()

    def sum_up(self, *, is_cut: bool = False, is_valid: bool | None = None) -> Features | None:
        """The same, with what the log-probabilities do not tell."""
        if not self._logprobs or self._is_broken or not self._has_nonzero:
            return None
        ascending = sorted(self._logprobs)
        return Features(
            tokens=len(ascending),
            sum_logprob=sum(self._logprobs),
            min_logprob=ascending[0],
            q10_logprob=_quantile(ascending, 0.1),
            q20_logprob=_quantile(ascending, 0.2),
            first_logprob=self._first_logprob,
            first_margin=self._first_margin,
            mean_entropy=self._entropy_sum / self._entropies if self._entropies else None,
            max_entropy=self._max_entropy if self._entropies else None,
            is_cut=is_cut,
            is_valid=is_valid,
        )

    def _after_thinking(self, entries: Sequence[TokenEntry]) -> Sequence[TokenEntry]:
        """Without the reasoning, if that is what the answer begins with; nothing as long as it is only white space."""
        if self._waiting:
            entries = (*self._waiting, *entries)
        self._waiting = ()
        for at, entry in enumerate(entries):
            word = entry.token.strip()
            if self._is_thinking:
                if word == CLOSES:
                    self._is_thinking = False
                    return entries[at + 1 :]
            elif word:
                self._has_begun = True
                if word != OPENS:
                    return entries
                self._is_thinking = True
        if not self._has_begun:
            self._waiting = entries
        return ()

    def _checked(self, logprobs: list[float | None]) -> list[float]:
        if None in logprobs:
            self._is_broken = True
            return []
        known = cast(list[float], logprobs)  # none of them is `None`
        least, most = min(known), max(known)
        # The sum tells whether one of them is no number at all, which the least and the most do not.
        if not (least > MISSING_LOGPROB and most <= _ROUNDING) or isnan(sum(known)):
            self._is_broken = True
        if most > 0.0:
            known = [min(logprob, 0.0) for logprob in known]
        if least < 0.0:
            self._has_nonzero = True
        return known

    def _look_for_first(self, entries: Sequence[TokenEntry], logprobs: Sequence[float], counted: Iterable[int]) -> None:
        """Find the first value token, among those that count."""
        first = self._first
        if first is None:
            return
        for at, entry in enumerate(entries):
            if first.is_in(entry.token):
                self._first = None
                if at in counted:
                    self._first_logprob = logprobs[at]
                    self._first_margin = margin(entry)
                return


def tally(tokens: Iterable[tuple[str, float]]) -> Features | None:
    """The features of a whole answer's `(token, logprob)` pairs.

    >>> tally([("Par", -0.5), ("is", -0.1)]).min_logprob
    -0.5
    """
    summed = Tally()
    summed.extend([Token(token, logprob) for token, logprob in tokens])
    return summed.features


def _quantile(ascending: Sequence[float], share: float) -> float:
    """Interpolated linearly between the two values around it (Hyndman and Fan 1996, definition 7).

    >>> _quantile([-4.0, -3.0, -1.0], 0.25)
    -3.5
    """
    place = share * (len(ascending) - 1)
    below = floor(place)
    left = ascending[below]
    return left + (ascending[min(below + 1, len(ascending) - 1)] - left) * (place - below)
