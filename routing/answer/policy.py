"""What a route does about answers that are late, broken or doubtful."""

from dataclasses import dataclass, field

from routing.confidence.gate import Gate
from routing.words import ModelName, Reason

CONDITIONAL_REASONS = (Reason.ERROR, Reason.TIMEOUT, Reason.INVALID, Reason.LOW_CONFIDENCE)
"""The reasons that a route may leave out of `when`; an unavailable model always falls back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldWindow:
    """How much of a stream is kept back until it is judged."""

    tokens: int | None
    """Content tokens; `None` holds the whole answer, 0 nothing."""
    ms: int | None
    """Milliseconds from the first content token; `None` without a limit."""


HOLD_NONE = HoldWindow(tokens=0, ms=None)
HOLD_FULL = HoldWindow(tokens=None, ms=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """What becomes of one arm's answers on a route."""

    fallback: ModelName | None = None
    when: frozenset[Reason] = frozenset(CONDITIONAL_REASONS)
    gate: Gate = field(default_factory=Gate)
    hold: HoldWindow = HOLD_NONE

    def replaces(self, reason: Reason) -> bool:
        """Whether another model is asked for this reason."""
        return self.fallback is not None and (reason is Reason.UNAVAILABLE or reason in self.when)

    @property
    def acts_on_doubt(self) -> bool:
        """Whether doubt about a whole answer has consequences."""
        return self.gate.acts and self.replaces(Reason.LOW_CONFIDENCE)

    @property
    def holds(self) -> bool:
        """Whether the start of a stream is worth holding: doubt about as much as is held has consequences."""
        judged = self.gate.acts if self.hold.tokens is None else self.gate.acts_on_prefixes
        return judged and self.replaces(Reason.LOW_CONFIDENCE)
