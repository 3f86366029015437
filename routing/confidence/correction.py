"""The bound that `risk` aims for when traffic drifts: corrected by audits, tightened and never loosened.

    alpha <- alpha + gamma * (asked - err)      err: 1 where the small model's answer was served and wrong

(Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021.) Without bounds this holds
the risk at alpha on average over time, but pays for good times with bad ones: after a quiet month it would let many
wrong answers through. Nobody asked for that. So alpha never exceeds what was asked, at any step, and the first errors
tighten it at once. Nor does it fall below half: from there on it is a new fit that is needed, and a fallback for nearly
all answers would only hide that.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from routing.confidence.arming import MOST_TIGHTENING
from routing.confidence.gate import ConfidenceMode

GAMMA: Final = 0.01
LEAST_CHANGE: Final = 0.005
"""Of alpha; and a tenth of what was asked, so that a single error makes no new threshold."""


class Audited(Protocol):
    """What an audit found of an answer, and by what had been decided about it."""

    @property
    def value(self) -> float: ...
    @property
    def confidence_mode(self) -> str | None: ...
    @property
    def confidence(self) -> float | None: ...
    @property
    def threshold(self) -> float | None: ...
    @property
    def is_gated(self) -> bool: ...


def corrected(asked: float, errors: Iterable[bool], start: float | None = None) -> float:
    """The alpha to aim for after these answers, in order of time; from half of what was asked up to all of it.

    Args:
        asked: the alpha that the route wants, in (0, 1).
        errors: one for each answer.
        start: where alpha stood before; `None` for what was asked.

    >>> round(corrected(0.1, [True, False, False]), 4)
    0.093
    """
    alpha = asked if start is None else start
    for is_error in errors:
        alpha = min(asked, max((1 - MOST_TIGHTENING) * asked, alpha + GAMMA * (asked - is_error)))
    return alpha


def is_worth_moving(asked: float, alpha: float, wanted: float) -> bool:
    """Whether a threshold for `wanted` should take the place of one for `alpha`."""
    # A hair less, since steps of gamma add up to round numbers only nearly.
    return abs(wanted - alpha) >= max(LEAST_CHANGE, asked / 10) - 1e-9


def errors_in(audited: Iterable[Audited]) -> list[bool]:
    """Of answers that were judged for a risk: whether each was accepted and is wrong.

    What was decided then counts, by the confidence and the threshold of that moment: both may be others by now, on
    another scale. Answers with which nothing was compared are left out: no threshold would have helped.
    """
    return [
        one.value < 0.5 and _is_accepted(one)
        for one in audited
        if one.confidence_mode == ConfidenceMode.RISK and one.threshold is not None
    ]


def _is_accepted(one: Audited) -> bool:
    if one.is_gated:
        return False
    return one.confidence is None or one.threshold is None or one.confidence >= one.threshold
