"""A gateway that shadows, for tests: before simulated models, with a store of grants in memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from gateway.records.rows import AttemptRow, LaterOutcome, RequestRow, ShadowOutcome
from gateway.shadows.shadower import Shadower
from gateway.snapshot.document import AuditEntry, ComparerEntry, ShadowEntry
from routing.audit.compare import ComparerKind
from routing.words import ModelName, RouteName
from serving.simulated.faults import Fault
from serving.simulated.script import ModelScript
from tests.fakes.asking import ARM_TEXT, LARGE_TEXT, Stage
from tests.fakes.audits import PRICE, SMALL_PRICE, MemoryStore, working
from tests.fakes.gateways import document, gateway, route
from tests.fakes.simulated import simulated

NEXT = ModelName("next")


def shadow_entry(**changes: Any) -> ShadowEntry:
    """Every request is shadowed to `next`, for at most a hundred dollars a day."""
    exact = ComparerEntry(kind=ComparerKind.EXACT)
    entry = ShadowEntry(to=NEXT, share=1.0, max_in_flight=4, spend_nanousd_per_day=10**11, compare=exact)
    return replace(entry, **changes)


@dataclass(slots=True)
class ShadowStage(Stage):
    """A stage with somebody who shadows."""

    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def shadower(self) -> Shadower:
        """Who shadows."""
        return self.gateway.shadower

    def look(self) -> None:
        """Ask the store, as a worker does every two seconds."""
        self.store.answer(self.shadower.books, self.gateway.auditor.books)

    async def shadowed(self) -> list[ShadowOutcome]:
        """What shadows have left, once all of them are over."""
        async with asyncio.timeout(5):
            await self.shadower.until_idle()
        return self.gateway.records.shadows

    async def shadow_of(self, **fields: Any) -> ShadowOutcome:
        """Ask once, and wait for the shadow."""
        await self.ask(**fields)
        return (await self.shadowed())[-1]

    @property
    def results_of_shadows(self) -> dict[str, float]:
        """How many ended how."""
        words = ("paired", "unpaired", "failed", "skipped", "shed")
        counts = {
            word: self.gateway.metric("shadows_total", route="support", model="next", result=word) for word in words
        }
        return {word: count for word, count in counts.items() if count}

    @property
    def record(self) -> RequestRow:
        """Of the request that ended last."""
        return self.gateway.records.kept[-1][0]

    @property
    def rows(self) -> list[AttemptRow]:
        """Every attempt of every request, and of every shadow and audit."""
        records = self.gateway.records
        of_requests = [row for _, attempts in records.kept for row in attempts]
        later: list[LaterOutcome] = [*records.shadows, *records.audits]
        return [*of_requests, *(row for outcome in later for row in outcome.attempts)]


@asynccontextmanager
async def shadow_stage(
    *faults: str,
    other: Sequence[str] = (),
    agrees: bool = True,
    shadow: ShadowEntry | None = None,
    audit: AuditEntry | None = None,
    split: Mapping[str, int] | None = None,
    scripts: Mapping[str, Mapping[str, Any]] | None = None,
    unpriced: Sequence[str] = (),
    is_running: bool = True,
    **options: Any,
) -> AsyncIterator[ShadowStage]:
    """Set the stage: an arm `v1`, a fallback `large`, a model `next` that is shadowed to and a `judge`, all priced.

    Args:
        faults: of the arm's model.
        other: the faults of the model that is shadowed to.
        agrees: whether it says the same as the arm.
        shadow: see `shadow_entry`.
        audit: audits beside it.
        split: of the route, in hundredths of a percent.
        scripts: more of a model's script, by its name.
        unpriced: models whose price is not known.
        is_running: whether shadows are sent, or only wait.
        options: of the route, see `tests.fakes.gateways.route`.
    """
    given = scripts or {}
    texts = {"v1": ARM_TEXT, "large": LARGE_TEXT, "next": ARM_TEXT if agrees else LARGE_TEXT, "judge": "EQUIVALENT"}
    of_models = {"v1": faults, "next": other}
    made_scripts = [
        ModelScript(
            name=name,
            **{"text": text, "faults": tuple(map(Fault.parse, of_models.get(name, ()))), **given.get(name, {})},
        )
        for name, text in texts.items()
    ]
    async with simulated(made_scripts) as server:
        entry = route(split or {"v1": 10000}, to="large", **options)
        entry = replace(entry, shadow=shadow or shadow_entry(), audit=audit)
        what = document(server.base_url, {RouteName("support"): entry}, large={"prices": (PRICE,)})
        for name in ("next", "judge"):
            known = what.models[ModelName("large")]
            what.models[ModelName(name)] = replace(known, upstream_model=name)
        what.models[ModelName("v1")] = replace(what.models[ModelName("v1")], prices=(SMALL_PRICE,))
        for name in unpriced:
            what.models[ModelName(name)] = replace(what.models[ModelName(name)], prices=())
        async with gateway(what) as made, working(*((made.shadower, made.auditor) if is_running else ())):
            staged = ShadowStage(made, server)
            staged.look()
            staged.look()
            yield staged
