"""The data plane for tests, over real sockets in the loop of the test: no store, no control plane, no other process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from gateway.audits.auditor import Auditor
from gateway.clock import Clock, now_us
from gateway.data.app import build_app
from gateway.data.live import Live, build_live
from gateway.data.server import DataServer, build_server
from gateway.data.traffic import Traffic
from gateway.drift.collector import Collector
from gateway.exchange.facts import Exchange
from gateway.identity import digest_of
from gateway.logs.requests import RequestLog
from gateway.metrics.families import DataPlaneMetrics
from gateway.records.rows import (
    AttemptRow,
    AuditOutcome,
    FeedbackRow,
    LaterOutcome,
    RequestRow,
    ShadowOutcome,
)
from gateway.shadows.shadower import Shadower
from gateway.snapshot.document import (
    ConfidenceEntry,
    Document,
    FallbackEntry,
    KeyEntry,
    ModelEntry,
    RouteEntry,
    Snapshot,
    TimeoutsEntry,
)
from gateway.tracing.spans import RequestTracer
from routing.answer.policy import CONDITIONAL_REASONS, HOLD_NONE, HoldWindow
from routing.assignment.ranges import Ranges, allocate
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.words import ModelName, Reason, RouteName

SECRET = "a-key-for-tests-0001"
OPERATOR_SECRET = "a-key-for-operators-0002"
TESTER_SECRET = "a-key-for-testers-0003"
NARROW_SECRET = "a-key-for-one-route-0004"
HEADERS = {"authorization": f"Bearer {SECRET}"}


def keys() -> tuple[KeyEntry, ...]:
    """One key of each kind; the narrow one may use the route `other` alone."""
    scopes = {
        SECRET: ("app", {"inference"}),
        OPERATOR_SECRET: ("ops", {"admin", "metrics"}),
        TESTER_SECRET: ("tester", {"inference", "test"}),
        NARROW_SECRET: ("narrow", {"inference:other"}),
    }
    return tuple(
        KeyEntry(name=name, digest=digest_of(secret.encode()), scopes=frozenset(granted))
        for secret, (name, granted) in scopes.items()
    )


def threshold(score: ScoreName = ScoreName.MEAN_LOGPROB, minimum: float = 0.5) -> ConfidenceEntry:
    """Act on a raw score."""
    return ConfidenceEntry(mode=ConfidenceMode.THRESHOLD, score=score, minimum=minimum)


def route(
    split: Mapping[str, int],
    *,
    to: str | None = None,
    when: tuple[Reason, ...] = CONDITIONAL_REASONS,
    confidence: ConfidenceEntry | None = None,
    hold: HoldWindow = HOLD_NONE,
    **timeouts: float,
) -> RouteEntry:
    """A route; `split` in hundredths of a percent, `timeouts` by their names in the configuration."""
    weights = {ModelName(arm): weight for arm, weight in split.items()}
    fallback = None
    if to is not None:
        fallback = FallbackEntry(
            to=ModelName(to), when=frozenset(when), confidence=confidence or ConfidenceEntry(), hold=hold
        )
    return RouteEntry(
        salt="support.1",
        split=weights,
        ranges=_first_ranges(tuple(weights.items())),
        ranges_revision=1,
        unit=("header:x-user-id", "body:user", "request"),
        fallback=fallback,
        timeouts=msgspec.structs.replace(TimeoutsEntry(), **timeouts),
    )


@cache
def _first_ranges(weights: tuple[tuple[ModelName, int], ...]) -> Ranges:
    return allocate((), dict(weights))  # which takes a while when hundreds of tests ask


def document(base_url: str, routes: Mapping[str, RouteEntry], **models: Any) -> Document:
    """A document whose models are all arms and fallbacks of its routes, at one address unless given otherwise."""
    names = {arm for entry in routes.values() for arm in entry.split}
    hosted = {entry.fallback.to for entry in routes.values() if entry.fallback is not None}
    entries = {
        name: ModelEntry(provider="openai" if name in hosted else "vllm", base_url=base_url, upstream_model=name)
        for name in sorted(names | hosted)
    }
    for name, changes in models.items():
        entries[ModelName(name)] = msgspec.structs.replace(entries[ModelName(name)], **changes)
    return Document(
        keys=keys(),
        models=entries,
        routes={RouteName(name): entry for name, entry in routes.items()},
        unit_secret="11" * 32,
    )


@dataclass(slots=True)
class Rows:
    """Records that stay in memory."""

    kept: list[tuple[RequestRow, Sequence[AttemptRow]]] = field(default_factory=list)
    feedback: list[FeedbackRow] = field(default_factory=list)
    audits: list[AuditOutcome] = field(default_factory=list)
    shadows: list[ShadowOutcome] = field(default_factory=list)
    is_full: bool = False
    queued: int = 0
    dropped: int = 0

    def put(self, row: RequestRow, attempts: Sequence[AttemptRow]) -> None:
        """Keep a record."""
        self.kept.append((row, attempts))

    def put_later(self, outcome: LaterOutcome) -> None:
        """Keep what an audit or a shadow left."""
        if isinstance(outcome, ShadowOutcome):
            self.shadows.append(outcome)
        else:
            self.audits.append(outcome)

    def put_feedback(self, row: FeedbackRow) -> bool:
        """Keep it, unless there is no room."""
        if not self.is_full:
            self.feedback.append(row)
        return not self.is_full


@dataclass
class Gateway:
    """A running data plane, and what it has finished."""

    port: int = 0
    live: Live | None = None
    is_draining: bool = False
    finished: list[Exchange] = field(default_factory=list)
    begun: int = 0
    refused: int = 0
    server: DataServer | None = None
    records: Rows = field(default_factory=Rows)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    tracer: RequestTracer | None = None
    request_log: RequestLog | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _traffic: Traffic = field(init=False)

    def __post_init__(self) -> None:
        self.clock: Clock = now_us
        self._traffic = Traffic(
            self.records, DataPlaneMetrics(self.registry), tracer=self.tracer, request_log=self.request_log
        )

    @property
    def url(self) -> str:
        """Base address, without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Exchange:
        """What was finished last."""
        return self.finished[-1]

    def metric(self, name: str, **labels: str) -> float:
        """What a metric of the data plane stands at; 0 where it was never touched."""
        return self.registry.get_sample_value(f"gateway_{name}", labels) or 0.0

    @property
    def auditor(self) -> Auditor:
        """What audits its traffic, once it runs."""
        return self._traffic.auditor

    @property
    def shadower(self) -> Shadower:
        """What shadows its traffic, once it runs."""
        return self._traffic.shadower

    @property
    def drift(self) -> Collector:
        """What counts its traffic for drift."""
        return self._traffic.drift

    def begin(self, exchange: Exchange) -> None:
        """Counts, and does what a worker does."""
        self.begun += 1
        self._traffic.begin(exchange)

    def finish(self, exchange: Exchange) -> None:
        """Keeps it, and does with it what a worker does."""
        self.finished.append(exchange)
        self._traffic.finish(exchange)
        self._changed.set()

    def refuse(self) -> None:
        """Counts."""
        self.refused += 1
        self._traffic.refuse()

    def take_feedback(self, row: FeedbackRow) -> bool:
        """As a worker does."""
        return self._traffic.take_feedback(row)

    def publish(self, what: Document, revision: int = 1) -> None:
        """Put a configuration into force."""
        self.live = build_live(Snapshot(revision=revision, created_us=now_us(), document=what), self.live, {})
        self._traffic.auditor.follow(self.live)
        self._traffic.shadower.follow(self.live)
        self._traffic.drift.follow(self.live.routes)

    async def until_finished(self, count: int, timeout_s: float = 5.0) -> None:
        """Wait until so many exchanges have ended."""
        async with asyncio.timeout(timeout_s):
            while len(self.finished) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def gateway(
    what: Document | None,
    drain_s: float | None = None,
    *,
    tracer: RequestTracer | None = None,
    request_log: RequestLog | None = None,
) -> AsyncIterator[Gateway]:
    """Serve a configuration on a free port of 127.0.0.1 (`None`: not configured yet), and stop at the end.

    With `drain_s` it ends as a worker does that is told to. Without, it just stops, which takes no time; the
    connections that are still open then are dropped.
    """
    made = Gateway(tracer=tracer, request_log=request_log)
    if what is not None:
        made.publish(what)
    listening = socket.create_server(("127.0.0.1", 0))
    made.port = listening.getsockname()[1]
    server = made.server = build_server(build_app(made), drain_s or 0, lambda: setattr(made, "is_draining", True))
    async with _stopped_at_once(server, listening) if drain_s is None else _drained(server, listening):
        yield made


@asynccontextmanager
async def _drained(server: DataServer, listening: socket.socket) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server._serve([listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
        try:
            yield
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def _stopped_at_once(server: DataServer, listening: socket.socket) -> AsyncIterator[None]:
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([listening])
    await server.on_tick(0)
    try:
        yield
    finally:
        for taking in server.servers:
            taking.close()
        state = server.server_state
        for connection in state.connections:
            connection.transport.abort()
        async with asyncio.timeout(5):
            while state.connections or state.tasks:  # noqa: ASYNC110 - nor for this
                await asyncio.sleep(0)
            for taking in server.servers:
                await taking.wait_closed()
