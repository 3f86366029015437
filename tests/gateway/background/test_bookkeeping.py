import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.audits.drawn import AuditPlan, plan_of
from gateway.background.bookkeeping import Bookkeeper, background_of
from gateway.background.books import Books
from gateway.store import workers
from gateway.store.engine import Store, open_store
from gateway.store.spend import spent
from gateway.store.workers import WorkerReport
from routing.audit.sample import DAY_US
from routing.words import ModelName, Purpose, RouteName
from tests.fakes.audits import audit_entry, audit_stage

SUPPORT, V1, LARGE = RouteName("support"), ModelName("v1"), ModelName("large")
DAY = 20_000
NOON_US = DAY * DAY_US + DAY_US // 2
CAP = 36_000_000


@dataclass
class Worker:
    """A worker that audits one route, and asks a real store."""

    store: Store
    writer_id: str
    books: Books = field(default_factory=lambda: Books(Purpose.AUDIT))
    told: list[int] = field(default_factory=list)
    has_heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        plan: AuditPlan | None = plan_of(audit_entry(spend_nanousd_per_day=CAP), LARGE)
        assert plan is not None
        self.books.follow({SUPPORT: (plan, (V1,))}, NOON_US)
        self.keeper = Bookkeeper(self.store, self.writer_id, [self.books], self.hear, lambda: NOON_US)

    def hear(self, workers: int) -> None:
        """Take down how many there are."""
        self.told.append(workers)
        self.has_heard.set()

    @property
    def granted(self) -> int:
        return self.books.routes[SUPPORT].allowance.granted


def report(store: Store, writer_id: str, heartbeat_us: int = NOON_US) -> None:
    fields = {"host": "h", "pid": 1, "revision": 1, "loaded_us": 1, "started_us": 1, "ready": True}
    workers.report(store, WorkerReport(writer_id=writer_id, heartbeat_us=heartbeat_us, **fields))  # type: ignore[arg-type]


async def test_a_look_brings_a_grant_and_the_number_of_workers(store: Store) -> None:
    for writer_id, heartbeat_us in (("a", NOON_US), ("b", NOON_US - 1_000_000), ("dead", NOON_US - 60_000_000)):
        report(store, writer_id, heartbeat_us)
    worker = Worker(store, "a")
    await worker.keeper.look()
    assert (worker.told, worker.books.workers) == ([2], 2)
    assert worker.granted == spent(store, "support", Purpose.AUDIT, DAY) == CAP // 360
    assert worker.books.routes[SUPPORT].arms[V1].share == 1.0


async def test_two_workers_share_one_cap(store: Store) -> None:
    first, second = Worker(store, "a"), Worker(store, "b")
    for worker in (first, second):
        worker.books.routes[SUPPORT].note_reserve(CAP // 10)
        await worker.keeper.look()
    assert (first.granted, second.granted) == (8 * CAP // 10, 2 * CAP // 10)


async def test_without_the_store_audits_go_on_with_what_they_were_granted(sqlite_store: Store) -> None:
    worker = Worker(sqlite_store, "a")
    await worker.keeper.look()
    granted = worker.granted
    hidden = sqlite_store.path.rename(sqlite_store.path.with_suffix(".away"))
    sqlite_store.close()
    await worker.keeper.look()
    await worker.keeper.look()
    assert (worker.granted, len(worker.told)) == (granted, 1)
    hidden.rename(sqlite_store.path)
    await worker.keeper.look()
    assert len(worker.told) == 2


async def test_a_worker_that_ends_gives_back_what_it_did_not_spend(store: Store) -> None:
    worker = Worker(store, "a")
    async with running(worker.keeper), asyncio.timeout(5):
        await worker.has_heard.wait()
        worker.books.routes[SUPPORT].allowance.settled = 5
    assert spent(store, "support", Purpose.AUDIT, DAY) == 5


@asynccontextmanager
async def running(keeper: Bookkeeper) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        yield
        keeper.end()


async def test_a_worker_finishes_what_it_can_and_leaves_what_hangs(store_url: str, store: Store) -> None:
    store = open_store(store_url)
    for faults, results in (([], {"agreed": 1}), (["hang"], {"failed": 1})):
        async with audit_stage(large=faults, is_running=False) as made:
            keeper = Bookkeeper(store, "a", [made.auditor.books], lambda count: None, made.gateway.clock)
            async with background_of([made.auditor], keeper):
                await made.ask()
            assert made.results_of_audits == results
    store.close()
