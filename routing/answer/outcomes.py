"""What the flow asks for, what it is told, and what it concludes."""

from collections.abc import Generator
from dataclasses import dataclass

from routing.confidence.gate import Judgement
from routing.words import ModelName, Outcome, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Ask this model, as attempt number `number` (from 1)."""

    model: ModelName
    number: int
    is_last: bool
    """No other model is left: time need not be saved for one, and doubt leads nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The model answered: a whole answer, or a stream that has passed its hold."""

    judgement: Judgement | None
    """`None` where the route or the request has no confidence."""
    flaw: str | None = None
    """Why a well-formed answer is not worth much all the same: `empty`, `refused` or `content_filter`."""
    is_committed: bool = False
    """The client will see it whatever the flow says: a stream whose hold was released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """A stream was abandoned in its hold. Nothing of it is left to serve."""

    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """There is no answer. `reason` is never `low_confidence`."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The upstream refused the request itself (400, 413, 422): another model would not mend it."""


AttemptEnd = Completed | Doubted | Failed | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a request ended, before the client or the upstream could still break it off."""

    outcome: Outcome
    served: int | None
    """Number of the attempt whose answer the client gets; for a rejection the attempt that was refused."""
    reason: Reason | None
    """Why the arm's answer was replaced, or should have been; `None` where there was no need to."""


AnswerFlow = Generator[Call, AttemptEnd, Verdict]
