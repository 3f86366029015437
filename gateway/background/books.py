"""One worker's books of its audits, or shadows: money, labels, traffic, and the share to draw that follows from them.

Everything here is of the event loop and takes no time. Every two seconds `asks` says what the store is to be asked, and
`hear` takes down what it answered; between two of these, what was granted is all there is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from typing import Final

from gateway.background.drawn import Plan
from gateway.store.spend import Ask, Grant
from routing.audit.sample import HURRY_S, Pace, day_left_s, day_of, share_now
from routing.audit.spend import Allowance
from routing.words import ModelName, Purpose, RouteName

_SMOOTHED_S: Final = 20.0
_AHEAD_CALLS: Final = 8
_AHEAD_S: Final = 10.0
"""A worker is granted what its next ones may cost, or the next seconds at its pace, whichever is more."""
_NEW_COST_WEIGHT: Final = 0.05


@dataclass(slots=True)
class ArmBook:
    """What is known of one arm of a route."""

    share: float = 0.0
    """What requests are drawn with now."""
    labels: int = 0
    seen: int = 0
    """Requests since the last look."""
    per_s: float = 0.0
    """Requests a second, smoothed."""
    _has_rate: bool = False

    def measure(self, elapsed_s: float) -> None:
        """Take in the requests since the last look."""
        now_per_s = self.seen / elapsed_s
        weight = 1 - exp(-elapsed_s / _SMOOTHED_S) if self._has_rate else 1.0
        self.per_s += weight * (now_per_s - self.per_s)
        self._has_rate = self._has_rate or self.seen > 0
        self.seen = 0


@dataclass(slots=True)
class RouteBook:
    """What is known of one route."""

    plan: Plan
    allowance: Allowance
    arms: dict[ModelName, ArmBook]
    others: int = 0
    """What other workers may spend today, in nano-dollars."""
    reserve: float = 0.0
    """What is set aside for one, smoothed, in nano-dollars; 0 before the first."""
    cost: float | None = None
    """What one costs, smoothed, in nano-dollars; `None` before the first."""

    def note_reserve(self, reserved: int) -> None:
        """A request was drawn, or would have been if there were money."""
        self.reserve = max(float(reserved), self.reserve + _NEW_COST_WEIGHT * (reserved - self.reserve))

    def note_cost(self, spent: int) -> None:
        """One has ended."""
        self.cost = spent if self.cost is None else self.cost + _NEW_COST_WEIGHT * (spent - self.cost)

    def left(self, workers: int) -> int:
        """This worker's part of what is left of today's cap."""
        return (self.plan.spend_nanousd_per_day - self.others - self.allowance.committed) // workers

    def ahead(self, workers: int) -> int:
        """What to be granted beyond what is committed."""
        at_pace = max(0, self.left(workers)) / HURRY_S * _AHEAD_S
        return round(max(_AHEAD_CALLS * self.reserve, at_pace))

    def set_shares(self, workers: int, now_us: int) -> None:
        """Work out what to draw with from now on."""
        for arm in self.arms.values():
            pace = Pace(
                left_nanousd=self.left(workers),
                cost_nanousd=self.reserve if self.cost is None else self.cost,
                requests_per_s=arm.per_s,
                day_left_s=day_left_s(now_us),
            )
            plan = self.plan
            arm.share = share_now(plan.share, labels=arm.labels, min_labels=plan.min_labels, pace=pace)


@dataclass(slots=True)
class Books:
    """Those of all routes that have any."""

    purpose: Purpose
    """What the money is for."""
    workers: int = 1
    """How many share the traffic."""
    routes: dict[RouteName, RouteBook] = field(default_factory=dict)
    _allowances: dict[tuple[RouteName, int], Allowance] = field(default_factory=dict)
    """By route and day. One that is not used any more is kept until the store knows what was spent of it."""
    _told: dict[tuple[RouteName, int], int] = field(default_factory=dict)
    """What the store says of each."""

    def follow(self, plans: Mapping[RouteName, tuple[Plan, tuple[ModelName, ...]]], now_us: int) -> None:
        """Keep books of these routes, by name with their arms, and of no others."""
        self.routes = {name: self._book_of(name, plan, arms, now_us) for name, (plan, arms) in plans.items()}

    def _book_of(self, name: RouteName, plan: Plan, arms: tuple[ModelName, ...], now_us: int) -> RouteBook:
        book = self.routes.get(name) or RouteBook(plan, self._allowance(name, day_of(now_us)), {})
        if book.plan.asked != plan.asked:
            book.reserve, book.cost = 0.0, None  # of models that are not asked any more
        book.plan = plan
        book.arms = {arm: book.arms.get(arm) or ArmBook() for arm in arms}
        return book

    def _allowance(self, name: RouteName, day: int) -> Allowance:
        return self._allowances.setdefault((name, day), Allowance(day))

    def asks(self, now_us: int, elapsed_s: float) -> list[Ask]:
        """What to ask the store, `elapsed_s` after it was asked last. What is not wanted any more is gone at once."""
        today = day_of(now_us)
        for name, book in self.routes.items():
            if book.allowance.day != today:
                book.allowance, book.others = self._allowance(name, today), 0
            for arm in book.arms.values():
                arm.measure(elapsed_s)
        return [
            self._ask(key[0], allowance)
            for key, allowance in self._allowances.items()
            if self._is_current(key, allowance) or not self._is_told(key, allowance)
        ]

    def last_asks(self) -> list[Ask]:
        """What to ask when this worker ends: that others may have what it has not spent."""
        return [self._return(name, allowance) for (name, _), allowance in self._allowances.items()]

    def hear(self, asks: list[Ask], grants: list[Grant], workers: int, now_us: int) -> None:
        """Take down what the store answered, in the order of the questions."""
        self.workers = max(1, workers)
        for ask, found in zip(asks, grants, strict=True):
            key = RouteName(ask.route), ask.day
            allowance, book = self._allowances[key], self.routes.get(key[0])
            allowance.granted = self._told[key] = found.granted
            if book is not None and book.allowance is allowance:
                book.others = found.others
                for arm in found.labels.keys() & book.arms.keys():
                    book.arms[arm].labels = found.labels[arm]
        for book in self.routes.values():
            book.set_shares(self.workers, now_us)
        self._forget_before(day_of(now_us))

    def _ask(self, name: RouteName, allowance: Allowance) -> Ask:
        if not self._is_current((name, allowance.day), allowance):
            return self._return(name, allowance)
        book = self.routes[name]
        plan = book.plan
        wanted = allowance.want(book.ahead(self.workers))
        return Ask(
            route=name,
            purpose=self.purpose,
            day=allowance.day,
            cap=plan.spend_nanousd_per_day,
            committed=allowance.committed,
            wanted=wanted,
            # Labels only become more, but for those that have grown too old to keep.
            arms=tuple(arm for arm, known in book.arms.items() if known.labels < plan.min_labels),
            enough_labels=plan.min_labels,
        )

    def _return(self, name: RouteName, allowance: Allowance) -> Ask:
        """Give back what is neither spent nor set aside."""
        committed, wanted = allowance.committed, allowance.want(0)
        return Ask(route=name, purpose=self.purpose, day=allowance.day, cap=0, committed=committed, wanted=wanted)

    def _is_current(self, key: tuple[RouteName, int], allowance: Allowance) -> bool:
        book = self.routes.get(key[0])
        return book is not None and book.allowance is allowance

    def _is_told(self, key: tuple[RouteName, int], allowance: Allowance) -> bool:
        """Whether all is spent that ever will be, and the store knows."""
        return not allowance.set_aside and self._told.get(key, 0) == allowance.settled

    def _forget_before(self, today: int) -> None:
        done = [key for key, kept in self._allowances.items() if key[1] < today and self._is_told(key, kept)]
        for key in done:
            del self._allowances[key]
            self._told.pop(key, None)
