"""What a worker counts of finished requests, by route and arm, until somebody takes it to the store."""

from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from gateway.clock import Clock
from gateway.data.live import LiveRoute
from gateway.drift.answers import answer_of
from gateway.exchange.facts import Exchange
from routing.drift.describe import describe_input, last_user_text
from routing.drift.sampling import Sampler
from routing.drift.summary import Gatherer
from routing.words import ModelName, RouteName

Arm = tuple[RouteName, ModelName]


class Gathered(NamedTuple):
    """What was counted in a span of time."""

    began_us: int
    ended_us: int
    arms: Mapping[Arm, Gatherer]


class Collector:
    """Counts when a client has its answer. Its memory depends on how many arms there are, and not on traffic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_us = clock()
        self._samplers: dict[RouteName, Sampler] = {}
        self._arms: dict[Arm, Gatherer] = {}
        # Requests are counted on the event loop, and what was counted is taken away by a thread.
        self._lock = Lock()

    def follow(self, routes: Mapping[str, LiveRoute]) -> None:
        """Watch these routes, as far as they are to be watched, and no others."""
        samplers = {}
        for route in routes.values():
            if route.drift.is_enabled:
                known = self._samplers.get(route.name)
                per_second = route.drift.described_per_second
                is_same = known is not None and known.per_second == per_second
                samplers[route.name] = (
                    known if known is not None and is_same else Sampler(route.allocation.salt, per_second)
                )
        self._samplers = samplers

    def take(self, exchange: Exchange, ended_s: float) -> None:
        """Count a request that has ended, by the arm that it was assigned. Those that testers force are left out."""
        route = exchange.route
        sampler = self._samplers.get(route.name)
        if sampler is None or exchange.is_forced:
            return
        takes_text, takes_answer = sampler.look(exchange.head.request_id, ended_s)
        arm = route.name, exchange.assignment.arm
        with self._lock:
            gatherer = self._arms.get(arm)
            if gatherer is None:
                gatherer = self._arms[arm] = Gatherer()
            gatherer.see()
            if takes_answer and (answer := answer_of(exchange, ended_s)) is not None:
                gatherer.add_output(*answer)
            if takes_text and (asked := last_user_text(exchange.inquiry.body)) is not None:
                gatherer.add_input(describe_input(*asked))

    def gathered(self) -> Gathered:
        """All that was counted since it was asked last. From any thread."""
        with self._lock:
            arms, self._arms = self._arms, {}
            began_us, self._began_us = self._began_us, self._clock()
            return Gathered(began_us, self._began_us, arms)
