"""Where requests are drawn as they begin, and what was drawn is worked on once they have ended."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from gateway.background.books import Books, RouteBook
from gateway.background.calls import BackgroundBreakers, BackgroundCalls
from gateway.background.crew import Crew
from gateway.background.drawn import Drawn, Plan
from gateway.clock import Clock
from gateway.data.live import Live, LiveRoute
from gateway.exchange.facts import Exchange
from gateway.metrics.families import DataPlaneMetrics
from gateway.records.rows import LaterOutcome
from routing.audit import sample
from routing.audit.spend import reserve_for
from routing.cost.prices import Price, price_at
from routing.words import ModelName, Purpose
from serving.errors import NotAdmitted, UpstreamError

MAX_WAITING: Final = 64
"""Requests that are drawn and not over yet, those that are still being answered among them."""
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
"""Of their bodies, which are kept until then."""
_log = logging.getLogger(__name__)


class BackgroundRecords(Protocol):
    """Where what was found is left."""

    def put_later(self, outcome: LaterOutcome) -> None:
        """Hand it over, without waiting."""


class Job(Protocol):
    """What is to be done about one request that was drawn."""

    @property
    def calls(self) -> BackgroundCalls:
        """What it has cost so far."""

    async def run(self) -> StrEnum:
        """Do it; the word for how it ended.

        Raises:
            NotAdmitted: a model may not be asked now.
            UpstreamError: it was asked in vain.
        """


P = TypeVar("P", bound=Plan)
J = TypeVar("J", bound=Job)


class Desk(ABC, Generic[P, J]):
    """Draws, and works on what was drawn. Everything but `run` takes no time, and nothing of it fails a request."""

    purpose: ClassVar[Purpose]
    done: ClassVar[str]
    """What is not done to a route without prices."""
    skipped: ClassVar[StrEnum]
    """There was no money or no room."""
    refused: ClassVar[StrEnum]
    """A model may not be asked now."""
    failed: ClassVar[StrEnum]
    """A model did not answer."""

    def __init__(self, records: BackgroundRecords, metrics: DataPlaneMetrics, clock: Clock) -> None:
        self.books = Books(self.purpose)
        self.records = records
        self.metrics = metrics
        self.clock = clock
        self.breakers = BackgroundBreakers()
        self._crew: Crew[tuple[Exchange, Drawn[P]]] = Crew(self._work, self._drop)
        self._waiting = 0
        self._waiting_bytes = 0
        self._live: Live | None = None

    @abstractmethod
    def plan_of(self, route: LiveRoute) -> P | None:
        """How a route's requests are drawn, if they are."""

    @abstractmethod
    def drawn_of(self, exchange: Exchange) -> Drawn[P] | None:
        """How a request was drawn, if it was."""

    @abstractmethod
    def begin(self, exchange: Exchange, drawn: Drawn[P]) -> J:
        """What is to be done about a request."""

    @abstractmethod
    def leave(self, exchange: Exchange, drawn: Drawn[P], job: J) -> None:
        """Hand over what there is to keep of a job that is over."""

    @abstractmethod
    def count(self, exchange: Exchange, plan: P, result: StrEnum) -> None:
        """Count how one ended."""

    @abstractmethod
    def line(self, exchange: Exchange, plan: P) -> tuple[str, int]:
        """Whom a request waits for, and how many of these are worked on at a time."""

    def accepts(self, exchange: Exchange, plan: P) -> bool:
        """Whether a request is one of those among which is drawn, beside what holds for all."""
        return True

    def refusal(self, exchange: Exchange, plan: P) -> StrEnum | None:
        """Why one that would be drawn may not be, for a reason beside money and room."""
        return None

    def follow(self, live: Live) -> None:
        """Work by a new snapshot."""
        self._live = live
        plans = {route.name: (self.plan_of(route), route.arms) for route in live.routes.values()}
        self.books.follow(
            {name: (plan, arms) for name, (plan, arms) in plans.items() if plan is not None}, self.clock()
        )

    def notices(self) -> list[str]:
        """What operators should know."""
        routes = self._live.routes if self._live is not None else {}
        found = [(name, self._unpriced(self.plan_of(route))) for name, route in routes.items()]
        return [
            f"route {name} is not {self.done}: without a price of {' and '.join(models)} nobody knows when its "
            "spend_usd_per_day is reached; set it in models"
            for name, models in found
            if models
        ]

    def _unpriced(self, plan: P | None) -> list[ModelName]:
        assert self._live is not None
        models, now_us = self._live.models, self.clock()
        return [] if plan is None else [name for name in plan.asked if price_at(models[name].prices, now_us) is None]

    def draw(self, exchange: Exchange) -> Drawn[P] | None:
        """Draw a request that begins, or not. `None` also where it cannot be worked on."""
        plan = self.plan_of(exchange.route)
        if plan is None or exchange.is_forced or exchange.inquiry.choices != 1 or not self.accepts(exchange, plan):
            return None
        book = self.books.routes.get(exchange.route.name)
        known = book.arms.get(exchange.assignment.arm) if book is not None else None
        if book is None or known is None:
            return None
        known.seen += 1
        if not sample.draw(exchange.route.allocation.salt, self.purpose, exchange.head.request_id, known.share):
            return None
        return self._reserved(exchange, plan, book, known.share)

    def _reserved(self, exchange: Exchange, plan: P, book: RouteBook, share: float) -> Drawn[P] | None:
        """Set money and room aside for a request; `None` where there is none."""
        size_bytes = exchange.inquiry.size_bytes
        reserved = _reserve(plan.asked, exchange)
        if reserved is None:
            return None
        book.note_reserve(reserved)
        refusal = self.refusal(exchange, plan)
        has_room = self._waiting < MAX_WAITING and self._waiting_bytes + size_bytes <= MAX_WAITING_BYTES
        if refusal is not None or not has_room or not book.allowance.reserve(reserved):
            self.count(exchange, plan, refusal or self.skipped)
            return None
        self._waiting += 1
        self._waiting_bytes += size_bytes
        return Drawn(
            plan=plan,
            propensity=share,
            allowance=book.allowance,
            reserved_nanousd=reserved,
            size_bytes=size_bytes,
        )

    def take(self, exchange: Exchange) -> None:
        """Work on a request that was drawn and has ended, as soon as it is its turn."""
        drawn = self.drawn_of(exchange)
        if drawn is not None:
            self._crew.put(*self.line(exchange, drawn.plan), (exchange, drawn))

    async def run(self) -> None:
        """Work until cancelled; what waits then is dropped, and what is under way is broken off."""
        await self._crew.run()

    async def until_idle(self) -> None:
        """Wait until all that was taken is over."""
        await self._crew.until_idle()

    def note_cost(self, exchange: Exchange, spent_nanousd: int) -> None:
        """Learn what one costs that brought all that was wanted."""
        book = self.books.routes.get(exchange.route.name)
        if book is not None:
            book.note_cost(spent_nanousd)

    def close(self, exchange: Exchange, drawn: Drawn[P], spent_nanousd: int) -> None:
        """Give back what was held for one that is over."""
        self._waiting -= 1
        self._waiting_bytes -= drawn.size_bytes
        drawn.allowance.settle(drawn.reserved_nanousd, spent_nanousd)

    def _drop(self, work: tuple[Exchange, Drawn[P]]) -> None:
        exchange, drawn = work
        self.close(exchange, drawn, 0)
        self.count(exchange, drawn.plan, self.skipped)

    async def _work(self, work: tuple[Exchange, Drawn[P]]) -> None:
        exchange, drawn = work
        job = self.begin(exchange, drawn)
        result = self.failed
        try:
            result = await job.run()
        except NotAdmitted:
            result = self.refused
        except UpstreamError as error:
            # Not what the model's server said: it may repeat the prompt.
            _log.info("the %s of request %s failed: %s", self.purpose, exchange.head.request_id, error.code)
        finally:
            self.close(exchange, drawn, job.calls.spent_nanousd)
            self.leave(exchange, drawn, job)
            self.count(exchange, drawn.plan, result)


def _reserve(asked: Sequence[ModelName], exchange: Exchange) -> int | None:
    """What to set aside for one, in nano-dollars; `None` where a price is unknown."""
    prices: list[Price] = []
    for name in asked:
        price = price_at(exchange.live.models[name].prices, exchange.head.arrived_us)
        if price is None:
            return None
        prices.append(price)
    return reserve_for(exchange.inquiry.body, exchange.inquiry.size_bytes, prices[0], prices[1] if prices[1:] else None)
