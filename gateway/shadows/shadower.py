"""A worker's shadows: drawn when a request begins, sent in the background once its client has its answer."""

from enum import StrEnum
from time import monotonic

from gateway.background.answers import said_in
from gateway.background.calls import BackgroundBreakers
from gateway.background.counting import count_row
from gateway.background.desk import BackgroundRecords, Desk
from gateway.background.drawn import Drawn
from gateway.clock import Clock
from gateway.data.live import LiveModel, LiveRoute
from gateway.exchange.facts import Exchange
from gateway.metrics.families import DataPlaneMetrics
from gateway.records.rows import AttemptRow, ShadowOutcome, ShadowRow
from gateway.shadows.drawn import ShadowPlan
from gateway.shadows.shadow import Shadow, ShadowResult
from routing.resilience.load_guard import LoadGuard
from routing.words import ModelName, Purpose, Result
from serving.errors import NotAdmitted, UpstreamError

_ANSWERED = frozenset({Result.COMPLETED, Result.INVALID})
_TOO_MANY_REQUESTS = 429


class Shadower(Desk[ShadowPlan, Shadow]):
    """Draws, and shadows what was drawn."""

    purpose = Purpose.SHADOW
    done = "shadowed"
    skipped = ShadowResult.SKIPPED
    refused = ShadowResult.SHED
    failed = ShadowResult.FAILED

    def __init__(self, records: BackgroundRecords, metrics: DataPlaneMetrics, clock: Clock) -> None:
        super().__init__(records, metrics, clock)
        self._guards: dict[ModelName, LoadGuard] = {}

    def plan_of(self, route: LiveRoute) -> ShadowPlan | None:
        """How a route's requests are shadowed, if they are."""
        return route.shadow

    def drawn_of(self, exchange: Exchange) -> Drawn[ShadowPlan] | None:
        """How a request was drawn, if it was."""
        return exchange.shadow

    def line(self, exchange: Exchange, plan: ShadowPlan) -> tuple[str, int]:
        """Each route is a line of its own."""
        return exchange.route.name, plan.entry.max_in_flight

    def accepts(self, exchange: Exchange, plan: ShadowPlan) -> bool:
        """What the other model is the arm of has nothing to be compared with."""
        return exchange.assignment.arm != plan.to

    def refusal(self, exchange: Exchange, plan: ShadowPlan) -> ShadowResult | None:
        """Nothing is drawn for a model that has enough to do."""
        now_s = monotonic()
        is_open = self.breakers.is_open(plan.to, exchange.live.models[plan.to], now_s)
        return ShadowResult.SHED if is_open or self._guard(plan.to).is_sparing(now_s) else None

    def take(self, exchange: Exchange) -> None:
        """Shadow a request that was drawn and has ended; one without a whole answer of its arm is over at once."""
        drawn = exchange.shadow
        if drawn is None:
            return
        # An answer that an audit hears out comes to its end too late for it to say anything here.
        is_whole = exchange.unfinished is None and exchange.attempts and said_in(exchange.attempts[0]) is not None
        if is_whole:
            super().take(exchange)
        else:
            self.close(exchange, drawn, 0)
            self.count(exchange, drawn.plan, ShadowResult.UNPAIRED)

    def begin(self, exchange: Exchange, drawn: Drawn[ShadowPlan]) -> Shadow:
        """Shadow one request."""
        return Shadow(exchange, drawn, _Admission(self.breakers, drawn.plan.to, self._guard(drawn.plan.to)), self.clock)

    def leave(self, exchange: Exchange, drawn: Drawn[ShadowPlan], job: Shadow) -> None:
        """Hand over the calls and what they are compared with, and learn from how long they took."""
        rows, route = job.calls.rows, exchange.route.name
        for row in rows:
            count_row(self.metrics, route, row)
            if row.purpose == Purpose.SHADOW:
                self._learn(row)
        if job.number is None:
            return
        if job.is_paired:
            self.note_cost(exchange, job.calls.spent_nanousd)
        found = ShadowRow(
            request_id=exchange.head.request_id,
            route=route,
            arm=exchange.assignment.arm,
            model=drawn.plan.to,
            number=job.number,
            propensity=drawn.propensity,
            agrees=job.agrees,
            made_us=self.clock(),
        )
        self.records.put_later(ShadowOutcome(request_id=exchange.head.request_id, attempts=rows, row=found))

    def count(self, exchange: Exchange, plan: ShadowPlan, result: StrEnum) -> None:
        """Count it by the model that it is sent to."""
        self.metrics.shadows(exchange.route.name, plan.to, result).inc()

    def _guard(self, model: ModelName) -> LoadGuard:
        return self._guards.setdefault(model, LoadGuard())

    def _learn(self, row: AttemptRow) -> None:
        guard, now_s = self._guard(ModelName(row.model)), monotonic()
        if row.upstream_status == _TOO_MANY_REQUESTS:
            guard.turned_away(now_s)
        elif row.result in _ANSWERED:
            guard.answered(row.duration_us / 1e6, row.output_tokens or 0, now_s)
        else:
            guard.failed()


class _Admission:
    """The shadows' breakers, and before them the guard of the model that is shadowed to."""

    def __init__(self, breakers: BackgroundBreakers, to: ModelName, guard: LoadGuard) -> None:
        self._breakers = breakers
        self._to = to
        self._guard = guard

    def admit(self, name: ModelName, model: LiveModel, now_s: float) -> None:
        """Raise `NotAdmitted` when the model may not be asked now."""
        self._breakers.admit(name, model, now_s)
        if name == self._to and not self._guard.admits(now_s):
            raise NotAdmitted("the model has enough to do")

    def note(self, name: ModelName, error: UpstreamError | None, now_s: float) -> None:
        """Take down how a call ended."""
        self._breakers.note(name, error, now_s)
