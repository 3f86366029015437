"""Calls to models beside requests, and the rows that they leave."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, Final, Protocol

from gateway.clock import Clock
from gateway.data.live import LiveModel
from gateway.exchange.facts import Exchange, result_of
from gateway.records.rows import AttemptRow
from routing.cost.prices import Price, Usage, cost_nanousd, price_at
from routing.resilience.breaker import Breaker, BreakerState
from routing.words import ModelName, Purpose, Result
from serving.dialect import to_upstream
from serving.errors import NotAdmitted, UpstreamError
from serving.statuses import error_of
from serving.upstream import headers_of
from serving.whole import WholeAnswer, read_whole

_CHAT: Final = "/chat/completions"


class Admission(Protocol):
    """Whether a model may be asked beside requests."""

    def admit(self, name: ModelName, model: LiveModel, now_s: float) -> None:
        """Raise `NotAdmitted` when it may not be asked now."""

    def note(self, name: ModelName, error: UpstreamError | None, now_s: float) -> None:
        """Take down how a call ended."""


class BackgroundBreakers:
    """Breakers of their own for audits or shadows. Those of the applications' requests are respected, and never moved.

    So a model that answers audits badly is not taken away from requests that need it, and an audit is never the probe
    that tells whether it is well again.
    """

    def __init__(self) -> None:
        self._breakers: dict[ModelName, Breaker] = {}

    def admit(self, name: ModelName, model: LiveModel, now_s: float) -> None:
        """Raise `NotAdmitted` when the model is switched off, or either breaker is not closed."""
        if not model.is_enabled:
            raise NotAdmitted("the model is switched off")
        own = self._breakers.setdefault(name, Breaker())
        if model.upstream.breaker.state(now_s) is not BreakerState.CLOSED or not own.admits(now_s):
            raise NotAdmitted("the model has failed too often lately")

    def is_open(self, name: ModelName, model: LiveModel, now_s: float) -> bool:
        """Whether `admit` would raise, and not only because a probe is under way."""
        own = self._breakers.get(name)
        is_well = model.is_enabled and model.upstream.breaker.state(now_s) is BreakerState.CLOSED
        return not is_well or (own is not None and own.state(now_s) is BreakerState.OPEN)

    def note(self, name: ModelName, error: UpstreamError | None, now_s: float) -> None:
        """Take down how a call ended."""
        own = self._breakers[name]
        if error is None or not error.is_upstreams_fault:
            own.succeeded()
        elif error.retry_after_s is not None:
            own.cools_down(now_s, error.retry_after_s)
        else:
            own.failed(now_s)


class BackgroundCalls:
    """The calls of one audit or shadow, one after the other."""

    def __init__(self, exchange: Exchange, purpose: Purpose, admission: Admission, clock: Clock) -> None:
        self.rows: list[AttemptRow] = []
        """Their numbers follow those of the request's attempts."""
        self.spent_nanousd = 0
        self._exchange = exchange
        self._purpose = purpose
        self._admission = admission
        self._clock = clock

    async def repeat(self, model: ModelName) -> WholeAnswer:
        """Ask a model what the client asked, for a whole answer. Raises `UpstreamError`."""
        inquiry = self._exchange.inquiry
        # The client's options for streams go with its stream.
        body = {**inquiry.body, "stream": False}
        return await self._ask(model, self._purpose, self._exchange.path, body, is_chat=inquiry.is_chat)

    async def judge(self, model: ModelName, messages: list[dict[str, str]]) -> WholeAnswer:
        """Have a model judge. Raises `UpstreamError`."""
        return await self._ask(model, Purpose.JUDGE, _CHAT, {"messages": messages}, is_chat=True)

    async def _ask(
        self, model: ModelName, purpose: Purpose, path: str, body: Mapping[str, Any], *, is_chat: bool
    ) -> WholeAnswer:
        live = self._exchange.live.models[model]
        started_us, started_s = self._clock(), monotonic()
        self._admission.admit(model, live, started_s)
        usage: Usage | None = None
        result, error = Result.CANCELLED, None
        try:
            answer = await self._answer(live, purpose, path, body, is_chat=is_chat)
            usage = answer.usage or live.upstream.prompts.estimate(
                self._exchange.inquiry.size_bytes, answer.output_tokens_seen
            )
            result = Result.INVALID if answer.flaw else Result.COMPLETED
            self._admission.note(model, None, monotonic())
            return answer
        except UpstreamError as failure:
            result, error = result_of(failure), failure
            self._admission.note(model, failure, monotonic())
            raise
        finally:
            row = self.row(model, purpose, started_us, started_s)._replace(
                result=result,
                reason=error.reason if error is not None else None,
                upstream_status=error.upstream_status if error is not None else 200 if usage is not None else None,
            )
            self.add(billed(row, usage, price_at(live.prices, self._exchange.head.arrived_us)))

    async def _answer(
        self, live: LiveModel, purpose: Purpose, path: str, body: Mapping[str, Any], *, is_chat: bool
    ) -> WholeAnswer:
        structure = self._exchange.inquiry.structure if purpose is self._purpose else None
        upstream, timeouts = live.upstream, self._exchange.route.timeouts
        request = to_upstream(
            body,
            provider=upstream.address.provider,
            upstream_model=upstream.address.model,
            asks_logprobs=False,
            is_chat=is_chat,
        )
        connection = await upstream.open(
            path,
            request,
            # Told apart from the request itself: a server may take two with one id for the same.
            headers=headers_of(f"{self._exchange.head.request_id}-{purpose}-{len(self.rows) + 1}"),
            connect_s=timeouts.connect_s,
            deadline_s=monotonic() + timeouts.attempt_s,
        )
        try:
            answer = await connection.read_all()
            if connection.status != 200:
                raise error_of(connection.status, connection.headers, answer, self._clock())
            return read_whole(answer, judges=False, structure=structure)
        finally:
            if connection.is_complete:
                upstream.release(connection)
            else:
                connection.close()

    def row(self, model: ModelName, purpose: Purpose, started_us: int, started_s: float) -> AttemptRow:
        """Of a call that is not known to have come to anything yet."""
        return AttemptRow(
            request_id=self._exchange.head.request_id,
            number=self._exchange.number_later(),
            model=model,
            purpose=purpose,
            result=Result.CANCELLED,
            reason=None,
            upstream_status=None,
            started_us=started_us,
            duration_us=round((monotonic() - started_s) * 1e6),
            first_token_us=None,
            input_tokens=None,
            cached_input_tokens=None,
            cache_write_tokens=None,
            output_tokens=None,
            reasoning_tokens=None,
            usage_estimated=False,
            cost_nanousd=0,
            price_version=None,
            score=None,
        )

    def add(self, row: AttemptRow) -> None:
        """Keep a row, and count what it cost."""
        self.rows.append(row)
        self.spent_nanousd += row.cost_nanousd or 0


def billed(row: AttemptRow, usage: Usage | None, price: Price | None) -> AttemptRow:
    """A row with its tokens and what they cost; unknown where the price is, 0 where nothing was used."""
    if usage is None:
        return row
    return row._replace(
        input_tokens=usage.input,
        cached_input_tokens=usage.cached_input,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.output,
        reasoning_tokens=usage.reasoning,
        usage_estimated=usage.is_estimated,
        cost_nanousd=None if price is None else cost_nanousd(price, usage),
        price_version=None if price is None else price.version,
    )
