"""The thread between a worker's books and the store, and how audits begin and end with their worker."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Final

from gateway.audits.auditor import Auditor
from gateway.audits.books import Books
from gateway.clock import Clock
from gateway.store import workers
from gateway.store.audit_spend import Ask, Grant, take
from gateway.store.engine import Store
from gateway.store.errors import StoreError

EVERY_S: Final = 2.0
FINISH_S: Final = 1.0
"""How long audits may go on when their worker ends. Their client has its answer; nobody waits for them."""
_log = logging.getLogger(__name__)


class Bookkeeper:
    """Asks the store every two seconds, off the event loop: what may be spent, and how many workers there are."""

    def __init__(
        self, store: Store, writer_id: str, books: Books, on_workers: Callable[[int], object], clock: Clock
    ) -> None:
        """`on_workers` is told how many workers share the traffic, whenever the store answers."""
        self._store = store
        self._writer_id = writer_id
        self._books = books
        self._on_workers = on_workers
        self._clock = clock
        self._ending = asyncio.Event()
        self._looked_s = monotonic()
        self._is_cut_off = False

    async def run(self) -> None:
        """Keep the books until `end`, and give back what was not spent."""
        while not self._ending.is_set():
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._ending.wait()
        await self._ask(self._books.last_asks())

    def end(self) -> None:
        """Have `run` end soon."""
        self._ending.set()

    async def look(self) -> None:
        """Ask once."""
        now_s = monotonic()
        asks = self._books.asks(self._clock(), max(now_s - self._looked_s, 0.001))
        self._looked_s = now_s
        found = await self._ask(asks)
        if found is not None:
            grants, count = found
            self._books.hear(asks, grants, count, self._clock())
            self._on_workers(self._books.workers)

    async def _ask(self, asks: list[Ask]) -> tuple[list[Grant], int] | None:
        """What the store answers; `None` where it does not, and what was granted before still stands."""
        try:
            found = await asyncio.to_thread(self._ask_store, asks)
        except StoreError as error:
            if not self._is_cut_off:
                _log.warning("audits go on with what they were granted: %s", error)
            self._is_cut_off = True
            return None
        self._is_cut_off = False
        return found

    def _ask_store(self, asks: list[Ask]) -> tuple[list[Grant], int]:
        grants = [take(self._store, self._writer_id, ask) for ask in asks]
        return grants, len(workers.live(self._store, self._clock()))


@asynccontextmanager
async def audits_of(auditor: Auditor, bookkeeper: Bookkeeper) -> AsyncIterator[None]:
    """Audit for as long as the block runs, and a moment longer."""
    async with asyncio.TaskGroup() as group:
        group.create_task(bookkeeper.run())
        auditing = group.create_task(auditor.run())
        try:
            yield
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISH_S):
                    await auditor.until_idle()
            auditing.cancel()
            with suppress(asyncio.CancelledError):
                await auditing
            bookkeeper.end()
