from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audits.drawn import AuditPlan, plan_of
from gateway.background.books import Books
from gateway.snapshot.document import AuditEntry, ComparerEntry
from routing.audit.compare import ComparerKind
from routing.audit.sample import DAY_US
from routing.audit.spend import Allowance
from routing.words import ModelName, Purpose, RouteName
from tests.fakes.audits import MemoryStore

SUPPORT, V1, V2 = RouteName("support"), ModelName("v1"), ModelName("v2")
NOON_US = 20_000 * DAY_US + DAY_US // 2
CAP = 1_000_000


def plan(share: float = 0.1, min_labels: int = 300, cap: int = CAP) -> AuditPlan:
    entry = AuditEntry(
        share=share,
        min_labels=min_labels,
        spend_nanousd_per_day=cap,
        compare=ComparerEntry(kind=ComparerKind.EXACT),
    )
    made = plan_of(entry, ModelName("large"))
    assert made is not None
    return made


@dataclass
class Worker:
    """A worker that looks when it is told to."""

    store: MemoryStore
    writer_id: str = "w"
    workers: int = 1
    books: Books = field(default_factory=lambda: Books(Purpose.AUDIT))
    now_us: int = NOON_US

    def look(self, elapsed_s: float = 2.0) -> None:
        """One look, answered at once."""
        asks = self.books.asks(self.now_us, elapsed_s)
        self.books.hear(asks, self.store.take(self.writer_id, asks), self.workers, self.now_us)

    def follow(self, **arms_of: tuple[ModelName, ...]) -> None:
        """Audit these routes."""
        self.books.follow({RouteName(name): (plan(), arms) for name, arms in arms_of.items()}, self.now_us)

    def share(self, arm: ModelName = V1) -> float:
        return self.books.routes[SUPPORT].arms[arm].share


def test_nothing_is_drawn_before_the_store_has_answered() -> None:
    worker = Worker(MemoryStore())
    worker.follow(support=(V1,))
    assert worker.share() == 0
    worker.look()
    assert worker.share() == 1.0


def test_each_arm_is_drawn_by_its_own_labels() -> None:
    worker = Worker(MemoryStore(labels={V1: 300, V2: 299}))
    worker.follow(support=(V1, V2))
    worker.look()
    assert (worker.share(V1), worker.share(V2)) == (0.1, 1.0)


def test_labels_that_are_enough_are_not_counted_again() -> None:
    worker = Worker(MemoryStore(labels={V1: 300, V2: 10}))
    worker.follow(support=(V1, V2))
    worker.look()
    assert [ask.arms for ask in worker.books.asks(NOON_US, 2.0)] == [(V2,)]


def test_the_share_falls_with_the_traffic_and_the_price() -> None:
    worker = Worker(MemoryStore())
    worker.follow(support=(V1,))
    book = worker.books.routes[SUPPORT]
    book.note_cost(1000)
    book.arms[V1].seen = 20
    worker.look()
    assert worker.share() == pytest.approx(CAP / (1000 * 10 * 3600), rel=0.01)
    worker.workers = 2
    book.arms[V1].seen = 20
    worker.look()
    assert worker.share() == pytest.approx(CAP / 2 / (1000 * 10 * 3600), rel=0.01)


def test_the_rate_is_smoothed_after_its_first_measure() -> None:
    worker = Worker(MemoryStore())
    worker.follow(support=(V1,))
    arm = worker.books.routes[SUPPORT].arms[V1]
    rates = []
    for seen in (0, 20, 0, 0):
        arm.seen = seen
        worker.look()
        rates.append(arm.per_s)
    assert rates == [0.0, 10.0, pytest.approx(9.05, abs=0.01), pytest.approx(8.19, abs=0.01)]


def test_a_worker_is_granted_ahead_what_its_next_audits_may_cost() -> None:
    worker = Worker(MemoryStore())
    worker.follow(support=(V1,))
    book = worker.books.routes[SUPPORT]
    worker.look()
    assert book.allowance.granted == round(CAP / 3600 * 10)
    book.note_reserve(5000)
    worker.look()
    assert book.allowance.granted == 8 * 5000


def test_a_new_day_has_new_money_and_the_old_one_is_settled() -> None:
    store = MemoryStore()
    worker = Worker(store)
    worker.follow(support=(V1,))
    worker.look()
    yesterday = worker.books.routes[SUPPORT].allowance
    assert yesterday.reserve(1000)
    worker.now_us += DAY_US
    worker.look()
    assert store.rows["support", 20_000, "w"] == 1000
    assert worker.books.routes[SUPPORT].allowance.committed == 0
    yesterday.settle(1000, 400)
    worker.look()
    assert store.rows["support", 20_000, "w"] == 400
    assert [ask.day for ask in worker.books.asks(worker.now_us, 2.0)] == [20_001]


def test_a_route_that_is_not_audited_any_more_gives_back_what_it_did_not_spend() -> None:
    store = MemoryStore()
    worker = Worker(store)
    worker.follow(support=(V1,))
    worker.look()
    allowance = worker.books.routes[SUPPORT].allowance
    assert allowance.reserve(1000)
    worker.follow()
    worker.look()
    assert store.rows["support", 20_000, "w"] == 1000
    allowance.settle(1000, 900)
    worker.look()
    assert store.rows["support", 20_000, "w"] == 900
    assert worker.books.asks(NOON_US, 2.0) == []


def test_a_route_that_is_audited_again_goes_on_with_what_it_has_spent() -> None:
    worker = Worker(MemoryStore())
    worker.follow(support=(V1,))
    worker.look()
    allowance = worker.books.routes[SUPPORT].allowance
    assert allowance.reserve(1000)
    allowance.settle(1000, 900)
    worker.follow()
    worker.look()
    worker.follow(support=(V1,))
    assert worker.books.routes[SUPPORT].allowance.settled == 900


def test_what_a_worker_has_not_spent_is_given_back_at_its_end() -> None:
    store = MemoryStore()
    worker = Worker(store)
    worker.follow(support=(V1,))
    worker.look()
    worker.books.routes[SUPPORT].allowance.settled = 5
    store.take("w", worker.books.last_asks())
    assert store.rows["support", 20_000, "w"] == 5


def test_arms_that_are_new_begin_anew_and_the_others_go_on() -> None:
    worker = Worker(MemoryStore(labels={V1: 300}))
    worker.follow(support=(V1,))
    worker.look()
    worker.follow(support=(V1, V2))
    assert (worker.share(V1), worker.share(V2)) == (0.1, 0.0)
    worker.look()
    assert (worker.share(V1), worker.share(V2)) == (0.1, 1.0)


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["look", "reserve", "settle", "day"]), st.integers(1, 200_000)),
    max_size=80,
)


@given(STEPS)
def test_on_no_day_do_workers_spend_more_than_the_cap(steps: list[tuple[int, str, int]]) -> None:
    store = MemoryStore()
    workers = [Worker(store, f"w{number}", workers=3) for number in range(3)]
    spent: dict[int, int] = {}
    open_reserves: list[list[tuple[Allowance, int]]] = [[], [], []]
    for worker in workers:
        worker.follow(support=(V1,))
    for at, action, amount in steps:
        worker, mine = workers[at], open_reserves[at]
        allowance = worker.books.routes[SUPPORT].allowance
        if action == "look":
            worker.look()
        elif action == "day":
            worker.now_us += DAY_US
        elif action == "reserve":
            worker.books.routes[SUPPORT].note_reserve(amount)
            if allowance.reserve(amount):
                mine.append((allowance, amount))
        elif mine:
            held, reserved = mine.pop()
            held.settle(reserved, min(reserved, amount))
            day = held.day
            spent[day] = spent.get(day, 0) + min(reserved, amount)
    assert all(total <= CAP for total in spent.values())
