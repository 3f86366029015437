"""Attempts at a whole answer."""

import asyncio

from gateway.clock import Clock
from gateway.exchange.facts import Attempt, Exchange, admit, call_upstream
from routing.answer.outcomes import AttemptEnd, Call, Completed
from routing.words import Result
from serving.errors import TimedOut, UpstreamError
from serving.statuses import error_of
from serving.whole import WholeAnswer, read_whole


class WholeAttempts:
    """Asks one model after the other for a whole answer, and keeps what they said by the attempt's number."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self.answers: dict[int, WholeAnswer] = {}
        self._exchange = exchange
        self._clock = clock

    async def __call__(self, call: Call) -> AttemptEnd:
        """Make one attempt."""
        exchange = self._exchange
        attempt = exchange.begin(call)
        gate = exchange.gate_of(attempt)
        try:
            admit(attempt)
            answer = await self._ask(attempt, self._deadline_s(call, attempt), judges=gate is not None)
        except UpstreamError as error:
            if isinstance(error, TimedOut):
                attempt.note_unanswered(exchange.inquiry.size_bytes)
            return attempt.fail(error)
        except asyncio.CancelledError:
            attempt.note_unanswered(exchange.inquiry.size_bytes)
            attempt.break_off()
            raise
        self.answers[call.number] = answer
        attempt.note_usage(answer.usage, exchange.inquiry.size_bytes, answer.output_tokens_seen)
        attempt.finish_reason, attempt.answer_id = answer.finish_reason, answer.answer_id
        attempt.judgement = gate.judge(answer.features) if gate is not None else None
        attempt.flaw = answer.flaw
        attempt.answer = answer if exchange.keeps_answers else None
        attempt.succeed(Result.INVALID if answer.flaw else Result.COMPLETED)
        return Completed(judgement=attempt.judgement, flaw=answer.flaw)

    def _deadline_s(self, call: Call, attempt: Attempt) -> float:
        timeouts = self._exchange.route.timeouts
        left_s = self._exchange.started_s + timeouts.total_s - attempt.started_s
        return attempt.started_s + min(timeouts.attempt_s, left_s if call.is_last else left_s / 2)

    async def _ask(self, attempt: Attempt, deadline_s: float, *, judges: bool) -> WholeAnswer:
        exchange, inquiry = self._exchange, self._exchange.inquiry
        connection = await call_upstream(exchange, attempt, judges=judges, deadline_s=deadline_s)
        try:
            body = await connection.read_all()
            if connection.status != 200:
                raise error_of(connection.status, connection.headers, body, self._clock())
            rewrite = inquiry.rewrite if judges else None
            return read_whole(body, judges=judges, rewrite=rewrite, structure=inquiry.structure)
        finally:
            # A complete answer leaves a connection to use again; anything less does not.
            if connection.is_complete:
                attempt.live.upstream.release(connection)
            else:
                connection.close()
