"""A gateway that audits, for tests: before simulated models, with a store of grants and labels in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from gateway.audits.auditor import Auditor
from gateway.background.books import Books
from gateway.background.desk import Desk
from gateway.clock import now_us
from gateway.records.rows import AttemptRow, AuditOutcome, RequestRow
from gateway.snapshot.document import AuditEntry, ComparerEntry
from gateway.store.spend import Ask, Grant
from routing.audit.compare import ComparerKind
from routing.audit.spend import grant
from routing.cost.prices import Price
from routing.words import ModelName, RouteName, TokenKind
from serving.simulated.faults import Fault
from serving.simulated.script import ModelScript
from tests.fakes.asking import ARM_TEXT, LARGE_TEXT, Stage
from tests.fakes.gateways import document, gateway, route
from tests.fakes.simulated import simulated

PRICE: Final = Price(
    version="file", nanousd_per_mtok={TokenKind.INPUT: 2_500_000_000, TokenKind.OUTPUT: 10_000_000_000}
)
SMALL_PRICE: Final = Price(version="file", nanousd_per_mtok={TokenKind.OUTPUT: 370_000_000}, per_request_nanousd=7)


def audit_entry(**changes: Any) -> AuditEntry:
    """Every request is audited, for at most a hundred dollars a day."""
    exact = ComparerEntry(kind=ComparerKind.EXACT)
    entry = AuditEntry(share=1.0, min_labels=0, spend_nanousd_per_day=10**11, compare=exact)
    return replace(entry, **changes)


@dataclass
class MemoryStore:
    """What the store knows of audits."""

    rows: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """By route, day and worker."""
    labels: dict[ModelName, int] = field(default_factory=dict)

    def take(self, writer_id: str, asks: Sequence[Ask]) -> list[Grant]:
        """As the store answers."""
        grants = []
        for ask in asks:
            mine = ask.route, ask.day, writer_id
            others = sum(spent for key, spent in self.rows.items() if key[:2] == mine[:2] and key != mine)
            granted = grant(cap=ask.cap, others=others, committed=ask.committed, wanted=ask.wanted)
            self.rows[mine] = granted
            known = {arm: self.labels.get(arm, 0) for arm in ask.arms}
            grants.append(Grant(granted=granted, others=others, labels=known))
        return grants

    def answer(self, *all_books: Books) -> None:
        """Answer the only worker, for which so much time has passed that it sees no traffic to speak of."""
        for books in all_books:
            asks = books.asks(now_us(), 1e6)
            books.hear(asks, self.take("w", asks), 1, now_us())


@asynccontextmanager
async def working(*desks: Desk[Any, Any]) -> AsyncIterator[None]:
    """Have these work until the end of the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(desk.run()) for desk in desks]
        await asyncio.sleep(0)
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@dataclass(slots=True)
class AuditStage(Stage):
    """A stage with an auditor."""

    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def auditor(self) -> Auditor:
        """What audits."""
        return self.gateway.auditor

    def look(self) -> None:
        """Ask the store, as a worker does every two seconds."""
        self.store.answer(self.auditor.books)

    async def audited(self) -> list[AuditOutcome]:
        """What audits have left, once all of them are over."""
        async with asyncio.timeout(5):
            await self.auditor.until_idle()
        return self.gateway.records.audits

    async def audit_of(self, **fields: Any) -> AuditOutcome:
        """Ask once, and wait for the audit."""
        await self.ask(**fields)
        return (await self.audited())[-1]

    def audits(self, result: str, model: str = "v1") -> float:
        """How many ended so."""
        return self.gateway.metric("audits_total", route="support", model=model, result=result)

    @property
    def results_of_audits(self) -> dict[str, float]:
        """How many ended how, of arm v1."""
        words = ("agreed", "disagreed", "undefined", "skipped", "failed")
        return {word: self.audits(word) for word in words if self.audits(word)}

    @property
    def record(self) -> RequestRow:
        """Of the request that ended last."""
        return self.gateway.records.kept[-1][0]

    @property
    def rows(self) -> list[AttemptRow]:
        """Every attempt of every request, and of every audit."""
        records = self.gateway.records
        of_requests = [row for _, attempts in records.kept for row in attempts]
        return [*of_requests, *(row for audit in records.audits for row in audit.attempts)]


@asynccontextmanager
async def audit_stage(
    *faults: str,
    large: Sequence[str] = (),
    agrees: bool = True,
    audit: AuditEntry | None = None,
    scripts: Mapping[str, Mapping[str, Any]] | None = None,
    unpriced: Sequence[str] = (),
    is_running: bool = True,
    **options: Any,
) -> AsyncIterator[AuditStage]:
    """Set the stage: an arm `v1`, a fallback `large`, and a `judge`, all priced.

    Args:
        faults: of the arm's model.
        large: the faults of the large model.
        agrees: whether the two say the same.
        audit: see `audit_entry`.
        scripts: more of a model's script, by its name.
        unpriced: models whose price is not known.
        is_running: whether audits are made, or only wait.
        options: of the route, see `tests.fakes.gateways.route`.
    """
    given = scripts or {}
    texts = {"v1": ARM_TEXT, "large": ARM_TEXT if agrees else LARGE_TEXT, "judge": "EQUIVALENT"}
    of_models = {"v1": faults, "large": large, "judge": ()}
    made_scripts = [
        ModelScript(
            name=name, **{"text": text, "faults": tuple(map(Fault.parse, of_models[name])), **given.get(name, {})}
        )
        for name, text in texts.items()
    ]
    async with simulated(made_scripts) as server:
        entry = replace(route({"v1": 10000}, to="large", **options), audit=audit or audit_entry())
        prices: dict[str, Any] = {"v1": {"prices": (SMALL_PRICE,)}, "large": {"prices": (PRICE,)}}
        what = document(server.base_url, {RouteName("support"): entry}, **prices)
        what.models[ModelName("judge")] = replace(what.models[ModelName("large")], upstream_model="judge")
        for name in map(ModelName, unpriced):
            what.models[name] = replace(what.models[name], prices=())
        async with gateway(what) as made, working(*((made.auditor,) if is_running else ())):
            staged = AuditStage(made, server)
            staged.look()
            staged.look()
            yield staged
