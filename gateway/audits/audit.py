"""One audit: both answers, and whether they agree."""

from collections.abc import Mapping
from enum import StrEnum
from time import monotonic
from typing import Final

from gateway.audits.calls import AuditCalls
from gateway.audits.drawn import AuditPlan
from gateway.background.answers import ask_judge, said_by, said_in
from gateway.background.calls import Admission
from gateway.background.drawn import Drawn
from gateway.clock import Clock
from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.record import features_text
from routing.audit.compare import Said
from routing.audit.verdict import Comparison, undefined
from routing.words import Purpose
from serving.errors import Faulted, UpstreamError


class AuditResult(StrEnum):
    """What became of a request that was to be audited."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    UNDEFINED = "undefined"
    """The answers could not be compared: there is no label."""
    SKIPPED = "skipped"
    """There was no money or no room, or a model may not be asked now."""
    FAILED = "failed"
    """The large model or the judge did not answer."""


_RESULTS: Final[Mapping[bool | None, AuditResult]] = {
    True: AuditResult.AGREED,
    False: AuditResult.DISAGREED,
    None: AuditResult.UNDEFINED,
}


class Audit:
    """Of a request whose client has its answer."""

    def __init__(self, exchange: Exchange, drawn: Drawn[AuditPlan], admission: Admission, clock: Clock) -> None:
        self.calls = AuditCalls(exchange, Purpose.AUDIT, admission, clock)
        self.comparison: Comparison | None = None
        """`None` until both answers are there."""
        self.whole_features: str | None = None
        """Of an answer that was given up in its hold, as records keep them: known only now."""
        self._exchange = exchange
        self._plan = drawn.plan
        self._clock = clock

    async def run(self) -> AuditResult:
        """Get what is missing of the two answers, and compare them.

        Raises:
            NotAdmitted: a model may not be asked now.
            UpstreamError: it was asked in vain.
        """
        self.comparison = await self._compare()
        return _RESULTS[self.comparison.agrees]

    async def _compare(self) -> Comparison:
        arm = await self._arms()
        if arm is None:  # which makes asking the large model pointless
            return undefined("the arm did not answer")
        large = await self._larges()
        comparison = self._plan.comparer.compare(arm, large)
        if comparison is None:
            plan = self._plan
            return await ask_judge(self.calls, plan.judge, self._exchange, arm.text or "", large.text or "")
        return comparison

    async def _arms(self) -> Said | None:
        """What the arm answered, once it has; `None` where it failed or was broken off."""
        exchange = self._exchange
        if not exchange.attempts:
            return None
        attempt = exchange.attempts[0]
        if exchange.unfinished is not None:
            return await self._finished(attempt)
        return said_in(attempt)

    async def _finished(self, attempt: Attempt) -> Said | None:
        """Let a stream that was given up in its hold come to its end."""
        stream, exchange = self._exchange.unfinished, self._exchange
        assert stream is not None
        started_us, started_s, before = self._clock(), monotonic(), attempt.usage
        try:
            await stream.finish()
        except UpstreamError:
            return None
        finally:
            exchange.unfinished = None
            stream.settle(None, exchange.inquiry.size_bytes)
            stream.release() if stream.has_ended else stream.close()
            self.calls.add_rest(attempt, before, started_us, started_s)
        self.whole_features = features_text(stream.features)
        return said_in(attempt)

    async def _larges(self) -> Said:
        """What the large model answers, or answered already, as the fallback."""
        for attempt in self._exchange.attempts[1:]:
            if attempt.model == self._plan.large:
                said = said_in(attempt)
                if said is None:
                    raise Faulted("the large model failed as the fallback")
                return said
        return said_by(await self.calls.repeat(self._plan.large))
