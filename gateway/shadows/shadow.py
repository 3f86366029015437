"""One shadow: what another model answers to a request that was answered already, and whether the two agree."""

from enum import StrEnum

from gateway.background.answers import ask_judge, said_by, said_in
from gateway.background.calls import Admission, BackgroundCalls
from gateway.background.drawn import Drawn
from gateway.clock import Clock
from gateway.exchange.facts import Exchange
from gateway.shadows.drawn import ShadowPlan
from routing.audit.compare import Said
from routing.words import Purpose
from serving.errors import Faulted, UpstreamError


class ShadowResult(StrEnum):
    """What became of a request that was to be shadowed."""

    PAIRED = "paired"
    """Both answers are there."""
    UNPAIRED = "unpaired"
    """The arm had no whole answer, so the other model was not asked."""
    FAILED = "failed"
    """The other model did not answer."""
    SKIPPED = "skipped"
    """There was no money or no room."""
    SHED = "shed"
    """The other model is switched off, fails, or has enough to do without it."""


class Shadow:
    """Of a request whose client has its answer, which its arm answered to the end."""

    def __init__(self, exchange: Exchange, drawn: Drawn[ShadowPlan], admission: Admission, clock: Clock) -> None:
        self.calls = BackgroundCalls(exchange, Purpose.SHADOW, admission, clock)
        self.number: int | None = None
        """Of the attempt that is the other model's answer, or failure; `None` where it was not asked."""
        self.is_paired = False
        self.agrees: bool | None = None
        self._exchange = exchange
        self._plan = drawn.plan

    async def run(self) -> ShadowResult:
        """Ask the other model, and compare.

        Raises:
            NotAdmitted: it may not be asked now.
            UpstreamError: it was asked in vain.
        """
        arm = said_in(self._exchange.attempts[0])
        if arm is None:
            return ShadowResult.UNPAIRED
        other = await self._other()
        self.is_paired = True
        try:
            self.agrees = await self._compare(other, arm)
        except UpstreamError:
            self.agrees = None  # the judge did not answer; the rest of the comparison stands
        return ShadowResult.PAIRED

    async def _other(self) -> Said:
        """What the other model answers, or answered already, as the fallback."""
        to = self._plan.to
        for attempt in self._exchange.attempts[1:]:
            if attempt.model == to:
                self.number = attempt.number
                said = said_in(attempt)
                if said is None:
                    raise Faulted("the model failed as the fallback")
                return said
        try:
            return said_by(await self.calls.repeat(to))
        finally:
            self.number = self.calls.rows[-1].number if self.calls.rows else None

    async def _compare(self, other: Said, arm: Said) -> bool | None:
        """Whether the other model says what the arm said, which is what it is held to."""
        plan = self._plan
        found = plan.comparer.compare(other, arm)
        if found is None:
            found = await ask_judge(self.calls, plan.judge, self._exchange, other.text or "", arm.text or "")
        return found.agrees
