"""Answer one request: run its flow, and send what the verdict says."""

from gateway.clock import Clock
from gateway.data.guard import Send
from gateway.exchange.drive import drive
from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.respond import send_failure, send_stream, send_whole
from gateway.exchange.streamed import StreamAttempts
from gateway.exchange.whole import WholeAttempts
from routing.answer.flow import answer_flow
from routing.answer.outcomes import Verdict
from routing.words import Reason, Result


async def answer(exchange: Exchange, clock: Clock, send: Send) -> None:
    """From an assigned request to its answer, whole or streamed."""
    flow = answer_flow(exchange.assignment.arm, exchange.policy)
    if exchange.inquiry.is_stream:
        streams = StreamAttempts(exchange, clock)
        attempt = conclude(exchange, await drive(flow, streams))
        if attempt is not None:
            await send_stream(exchange, attempt, streams.streams[attempt.number], send)
    else:
        answers = WholeAttempts(exchange, clock)
        attempt = conclude(exchange, await drive(flow, answers))
        if attempt is not None:
            await send_whole(exchange, answers.answers[attempt.number], send)
    if attempt is None:
        await send_failure(exchange, send)


def conclude(exchange: Exchange, verdict: Verdict) -> Attempt | None:
    """Note a verdict; return the attempt whose answer is served, if there is one to serve."""
    exchange.outcome = verdict.outcome
    exchange.reason = verdict.reason
    first = exchange.attempts[0]
    if verdict.reason is Reason.LOW_CONFIDENCE and first.result is Result.COMPLETED:
        first.result = Result.DOUBTED
    if verdict.served is None:
        return None
    attempt = exchange.attempts[verdict.served - 1]
    if attempt.error is not None:
        return None  # a request that was refused: what is passed on is the refusal
    exchange.served = attempt
    return attempt
