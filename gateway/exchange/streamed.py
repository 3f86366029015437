"""Attempts at a streamed answer: held until it may be judged, before a byte reaches the client."""

import asyncio

from gateway.clock import Clock
from gateway.exchange.facts import Attempt, Exchange, admit, call_upstream
from gateway.exchange.stream import AnswerStream, Patience
from routing.answer.hold import HoldState, window_of
from routing.answer.outcomes import AttemptEnd, Call, Completed, Doubted
from routing.words import Result
from serving.chunks import ChunkReader
from serving.dialect import shown_usage
from serving.errors import Malformed, TimedOut, UpstreamError
from serving.statuses import error_of
from serving.whole import read_whole
from serving.wire.connection import Connection


class StreamAttempts:
    """Asks one model after the other for a stream, and keeps the open ones by the attempt's number."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self.streams: dict[int, AnswerStream] = {}
        self._exchange = exchange
        self._clock = clock

    async def __call__(self, call: Call) -> AttemptEnd:
        """Make one attempt, up to the end of its hold."""
        attempt = self._exchange.begin(call)
        try:
            admit(attempt)
            stream = await self._open(attempt)
        except UpstreamError as error:
            self._note_unanswered(attempt, error)
            return attempt.fail(error)
        except asyncio.CancelledError:
            self._note_unanswered(attempt, None)
            attempt.break_off()
            raise
        try:
            return await self._judge(call, attempt, stream)
        except UpstreamError as error:
            self._give_up(stream)
            self._note_unanswered(attempt, error)
            return attempt.fail(error)
        except asyncio.CancelledError:
            self._give_up(stream)
            self._note_unanswered(attempt, None)
            attempt.break_off()
            raise

    def _give_up(self, stream: AnswerStream) -> None:
        """Stop a stream that nobody will see. What it had brought was paid for all the same."""
        stream.close()
        if stream.has_content:
            stream.settle(None, self._exchange.inquiry.size_bytes)

    def _note_unanswered(self, attempt: Attempt, error: UpstreamError | None) -> None:
        """Of an attempt that ended before anything had come: whether it was given up, so that it was paid for."""
        if error is None or isinstance(error, TimedOut):
            attempt.note_unanswered(self._exchange.inquiry.size_bytes)

    def _abandon(self, stream: AnswerStream, attempt: Attempt) -> None:
        """Give a doubtful stream up. For an audit it goes on where nobody waits for it, so that all of it is known."""
        if self._exchange.audit is None:
            stream.close()
            attempt.answer = None  # what came of it is no answer to compare
        else:
            self._exchange.unfinished = stream

    async def _judge(self, call: Call, attempt: Attempt, stream: AnswerStream) -> AttemptEnd:
        exchange = self._exchange
        gate = exchange.gate_of(attempt)
        # Where there is nothing to judge by, holding would only keep the client waiting.
        window = window_of(exchange.policy, is_last=call.is_last or gate is None)
        state, judgement = await stream.hold(window, gate)
        attempt.judgement = judgement
        attempt.is_judged_by_prefix = judgement is not None and state is not HoldState.HOLDING
        if state is HoldState.RELEASED:
            self.streams[call.number] = stream
            return Completed(judgement=judgement, is_committed=True)
        # Where nothing is held, doubt has no say: it must not depend on how fast the answer came.
        stream.settle(gate if window.tokens == 0 else None, exchange.inquiry.size_bytes)
        if state is HoldState.ABANDONED and judgement is not None:
            self._abandon(stream, attempt)
            attempt.succeed(Result.DOUBTED)
            return Doubted(judgement=judgement)
        self.streams[call.number] = stream
        stream.release()
        attempt.flaw = stream.flaw
        attempt.succeed(Result.INVALID if stream.flaw else Result.COMPLETED)
        return Completed(judgement=judgement, flaw=stream.flaw)

    async def _open(self, attempt: Attempt) -> AnswerStream:
        exchange = self._exchange
        timeouts, inquiry = exchange.route.timeouts, exchange.inquiry
        judges = exchange.gate_of(attempt) is not None
        patience = Patience(
            first_token_at_s=attempt.started_s + timeouts.first_token_s,
            idle_s=timeouts.idle_s,
            total_at_s=exchange.started_s + timeouts.total_s,
        )
        begins_by_s = patience.until_s(attempt.started_s, has_content=False)
        connection = await call_upstream(exchange, attempt, judges=judges, deadline_s=begins_by_s)
        await self._check_head(connection)
        connection.lift_deadline()
        reader = ChunkReader(
            judges=judges,
            rewrite=inquiry.rewrite if judges else None,
            shown_usage=shown_usage(
                inquiry.body, provider=attempt.live.upstream.address.provider, asks_logprobs=judges
            ),
            choices=inquiry.choices,
            structure=inquiry.structure,
            keeps_text=exchange.keeps_answers,
        )
        attempt.answer = reader if exchange.keeps_answers else None
        return AnswerStream(connection, reader, attempt, patience, prefix_tokens=exchange.policy.hold.tokens or 0)

    async def _check_head(self, connection: Connection) -> None:
        """Raise what an answer that is no stream of events means."""
        media = connection.headers.get(b"content-type", b"text/event-stream").lower()
        if connection.status == 200 and media.startswith(b"text/event-stream"):
            return
        try:
            body = await connection.read_all()
        finally:
            connection.close()
        if connection.status != 200:
            raise error_of(connection.status, connection.headers, body, self._clock())
        read_whole(body, judges=False)
        raise Malformed("the model's server did not answer with a stream", upstream_status=200)
