"""The driver: executes what the answer flow asks for. No policy lives here."""

from collections.abc import Awaitable, Callable

from routing.answer.outcomes import AnswerFlow, AttemptEnd, Call, Verdict

Ask = Callable[[Call], Awaitable[AttemptEnd]]
"""Makes one attempt, whole or streamed. Faults come back as values, never as exceptions."""


async def drive(flow: AnswerFlow, ask: Ask) -> Verdict:
    """Run a flow to its verdict."""
    call = next(flow)
    while True:
        end = await ask(call)
        try:
            call = flow.send(end)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict
