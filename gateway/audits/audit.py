"""One audit: both answers, and whether they agree."""

from time import monotonic

from gateway.audits.calls import Admission, AuditCalls
from gateway.audits.drawn import Drawn
from gateway.clock import Clock
from gateway.exchange.facts import Answer, Attempt, Exchange
from gateway.exchange.record import features_text
from routing.audit.compare import Said
from routing.audit.judge import judge_messages, judged, request_text, verdict_in
from routing.audit.verdict import Comparison, undefined
from routing.words import Result
from serving.errors import Faulted, UpstreamError

_WITH_ANSWER = frozenset({Result.COMPLETED, Result.DOUBTED, Result.INVALID})


class Audit:
    """Of a request whose client has its answer."""

    def __init__(self, exchange: Exchange, drawn: Drawn, admission: Admission, clock: Clock) -> None:
        self.calls = AuditCalls(exchange, admission, clock)
        self.whole_features: str | None = None
        """Of an answer that was given up in its hold, as records keep them: known only now."""
        self._exchange = exchange
        self._plan = drawn.plan
        self._clock = clock

    async def compare(self) -> Comparison:
        """Get what is missing of the two answers, and compare them.

        Raises:
            NotAdmitted: a model may not be asked now.
            UpstreamError: it was asked in vain.
        """
        arm = await self._arms()
        if arm is None:  # which makes asking the large model pointless
            return undefined("the arm did not answer")
        large = await self._larges()
        comparison = self._plan.comparer.compare(arm, large)
        if comparison is None:
            return await self._judge(arm.text or "", large.text or "")
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

    async def _judge(self, arm: str, large: str) -> Comparison:
        judge = self._plan.judge
        assert judge is not None
        request = request_text(self._exchange.inquiry.body)
        verdicts: list[bool | None] = []
        for first, second in ((arm, large), (large, arm)):
            reply = await self.calls.judge(judge, judge_messages(request, first, second))
            verdicts.append(verdict_in(reply.text))
            found = judged(verdicts)
            if found is not None:
                return found
        raise AssertionError("two replies settle it")


def said_in(attempt: Attempt) -> Said | None:
    """An attempt's answer; `None` where it brought none that is whole."""
    answer = attempt.answer
    return None if answer is None or attempt.result not in _WITH_ANSWER else said_by(answer)


def said_by(answer: Answer) -> Said:
    """An answer as it is compared."""
    return Said(text=answer.text, tool_calls=answer.tool_calls, flaw=answer.flaw)
