"""What is known of a request that is being answered, and of each attempt at it. Filled in as it happens."""

from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from gateway.audits.drawn import AuditPlan
from gateway.background.drawn import Drawn
from gateway.data.guard import RequestHead
from gateway.data.inquiry import Inquiry
from gateway.data.live import Live, LiveModel, LiveRoute
from gateway.errors import SHUTTING_DOWN
from gateway.shadows.drawn import ShadowPlan
from gateway.snapshot.document import KeyEntry
from gateway.tracing.context import passed_on
from routing.answer.outcomes import AttemptEnd, Call, Failed, Rejected
from routing.answer.policy import AnswerPolicy
from routing.assignment.assign import Assignment
from routing.assignment.units import Unit
from routing.confidence.features import Features
from routing.confidence.gate import Gate, Judgement
from routing.cost.prices import Usage
from routing.words import ModelName, Outcome, Reason, Result
from serving.dialect import to_upstream
from serving.errors import NotAdmitted, RequestRejected, UpstreamError
from serving.upstream import headers_of
from serving.wire.connection import Connection

if TYPE_CHECKING:
    from gateway.exchange.stream import AnswerStream
    from gateway.tracing.spans import RequestTrace

_RESULTS = {
    Reason.ERROR: Result.ERROR,
    Reason.TIMEOUT: Result.TIMEOUT,
    Reason.INVALID: Result.INVALID,
    Reason.UNAVAILABLE: Result.UNAVAILABLE,
}


class Answer(Protocol):
    """What an answer says, once it is whole."""

    @property
    def text(self) -> str | None:
        """In words, or its tool calls as JSON; `None` where it says nothing."""

    @property
    def tool_calls(self) -> tuple[tuple[str, str], ...]:
        """Name and arguments (JSON text) of each."""

    @property
    def flaw(self) -> str | None:
        """What is wrong with it."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One call to one model. Times are of the monotonic clock, in seconds.

    Not of the loop's: that of uvloop ticks in milliseconds, which is longer than the gateway takes. Both count from
    the same moment, so deadlines may be set by either.
    """

    number: int
    model: ModelName
    live: LiveModel
    started_s: float
    ended_s: float | None = None
    first_token_s: float | None = None
    result: Result = Result.CANCELLED
    """Until something else is known: whoever breaks off an attempt need not say so."""
    error: UpstreamError | None = None
    judgement: Judgement | None = None
    """What was decided on: of the whole answer, or of the held start of a stream."""
    late: Judgement | None = None
    """Of a whole stream, made when it was out already."""
    prefix: Features | None = None
    """Of the start of a stream, as much as is held where anything is."""
    is_judged_by_prefix: bool = False
    flaw: str | None = None
    """What is wrong with an answer that is no answer to anybody: a hard gate that it did not pass."""
    usage: Usage | None = None
    finish_reason: str | None = None
    answer_id: str | None = None
    """The upstream's own name for the answer."""
    output_tokens_seen: int = 0
    is_sent: bool = False
    """The model has the request, and may be working on it."""
    answer: Answer | None = None
    """What it said, kept only for an audit or a shadow."""

    @property
    def is_judged_whole(self) -> bool:
        """Whether the whole answer was judged, in time or late."""
        return self.late is not None or (self.judgement is not None and not self.is_judged_by_prefix)

    def note_sent(self) -> None:
        """Note that the model has the request."""
        self.is_sent = True

    def note_usage(self, reported: Usage | None, prompt_bytes: int, output_tokens: int) -> None:
        """Note what an answer, or what there was of it, has used: as reported, or else as far as can be told."""
        prompts = self.live.upstream.prompts
        if reported is not None:
            prompts.learn(prompt_bytes, reported)
        self.usage = reported or prompts.estimate(prompt_bytes, output_tokens)

    def note_unanswered(self, prompt_bytes: int) -> None:
        """Note that nobody waits any longer for an answer of which nothing has come: its prompt was read, or will be.

        What a whole answer had made by then nobody knows.
        """
        if self.is_sent and self.usage is None:
            self.note_usage(None, prompt_bytes, 0)

    def fail(self, error: UpstreamError) -> AttemptEnd:
        """Note a failure, tell the breaker, and say what the flow is to make of it."""
        self._close(error)
        self.error = error
        self.result = result_of(error)
        return Rejected() if isinstance(error, RequestRejected) else Failed(reason=error.reason)

    def succeed(self, result: Result = Result.COMPLETED) -> None:
        """Note an answer, whatever it is worth."""
        self._close(None)
        self.result = result

    def break_off(self) -> None:
        """Note that the attempt ends before its answer does, for no fault of the model."""
        self.ended_s = monotonic()
        self.live.upstream.breaker.abandoned()

    def _close(self, error: UpstreamError | None) -> None:
        now_s = self.ended_s = monotonic()
        self.live.upstream.note(error, now_s)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request."""

    head: RequestHead
    live: Live
    route: LiveRoute
    key: KeyEntry
    inquiry: Inquiry
    unit: Unit
    """The value itself; only its hash is ever stored."""
    assignment: Assignment
    path: str
    """Of the upstream's endpoint, `/chat/completions` or `/completions`."""
    started_s: float
    is_forced: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    outcome: Outcome = Outcome.FAILED
    """Until something else is known: whatever goes wrong within the gateway ends in a failure."""
    reason: Reason | None = None
    served: Attempt | None = None
    status: int | None = None
    """What the client got; `None` where it had left before."""
    committed_s: float | None = None
    audit: Drawn[AuditPlan] | None = None
    """How it was drawn for an audit, if it was."""
    shadow: Drawn[ShadowPlan] | None = None
    """How it was drawn for a shadow, if it was."""
    later: int = 0
    """How many calls were made on its behalf after it had ended."""
    unfinished: "AnswerStream | None" = None
    """The arm's stream that was given up in its hold, and goes on for the audit alone."""
    trace: "RequestTrace | None" = None
    """Its spans, where they are made."""

    def trace_headers(self, attempt: Attempt) -> bytes:
        """What the model's server is told of the trace: ours, or else the client's as it came."""
        return passed_on(self.head.headers) if self.trace is None else self.trace.outbound(attempt)

    @property
    def keeps_answers(self) -> bool:
        """Whether what models say is still needed when the client has it."""
        return self.audit is not None or self.shadow is not None

    def number_later(self) -> int:
        """The number of a call made after the request has ended; they follow those of its attempts."""
        self.later += 1
        return len(self.attempts) + self.later

    @property
    def policy(self) -> AnswerPolicy:
        """What becomes of the answers of this request's arm."""
        return self.route.policies[self.assignment.arm]

    def force(self, arm: ModelName | None) -> None:
        """Put the request on the arm that a tester asked for, if one did. It is left out of results."""
        if arm is not None:
            self.assignment = replace(self.assignment, arm=arm, propensity=1.0)
            self.is_forced = True

    def break_off(self) -> None:
        """Note that it ends before its answer does: the client has left, or the gateway shuts down."""
        if self.head.departure.is_gone:
            self.outcome = Outcome.CLIENT_CLOSED
        elif self.status is not None:
            self.outcome = Outcome.INTERRUPTED
        else:
            self.outcome, self.status = Outcome.FAILED, SHUTTING_DOWN.status

    def gate_of(self, attempt: Attempt) -> Gate | None:
        """What judges an attempt: the arm's answer is judged, of a chat with one choice, and the fallback's never."""
        policy, inquiry = self.policy, self.inquiry
        is_judged = attempt.number == 1 and policy.gate.asks and inquiry.is_chat and inquiry.choices == 1
        return policy.gate if is_judged else None

    def begin(self, call: Call) -> Attempt:
        """Start an attempt. A model that may not be asked is an attempt too: one that fails in `admit`."""
        attempt = Attempt(
            number=call.number,
            model=call.model,
            live=self.live.models[call.model],
            started_s=monotonic(),
        )
        self.attempts.append(attempt)
        return attempt

    @property
    def arm_judgement(self) -> Judgement | None:
        """What the assigned arm's answer was found to be worth, whoever answered in the end."""
        if not self.attempts:
            return None
        first = self.attempts[0]
        return first.judgement or first.late


def result_of(error: UpstreamError) -> Result:
    """How an attempt with this error ended."""
    return Result.REJECTED if isinstance(error, RequestRejected) else _RESULTS[error.reason]


def admit(attempt: Attempt) -> None:
    """Raise `NotAdmitted` when the model must not be asked now."""
    if not attempt.live.is_enabled:
        raise NotAdmitted("the model is switched off")
    attempt.live.upstream.admit(attempt.started_s)


async def call_upstream(exchange: Exchange, attempt: Attempt, *, judges: bool, deadline_s: float) -> Connection:
    """Send the request to the attempt's model, in its dialect. Raises `UpstreamError`, `TimedOut` at the deadline."""
    inquiry, upstream = exchange.inquiry, attempt.live.upstream
    request = to_upstream(
        inquiry.body,
        provider=upstream.address.provider,
        upstream_model=upstream.address.model,
        asks_logprobs=judges,
        is_chat=inquiry.is_chat,
    )
    return await upstream.open(
        exchange.path,
        request,
        headers=headers_of(exchange.head.request_id, exchange.trace_headers(attempt)),
        connect_s=exchange.route.timeouts.connect_s,
        deadline_s=deadline_s,
        on_sent=attempt.note_sent,
    )
