"""The thread between a worker's books and the store, and how audits and shadows begin and end with their worker."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from time import monotonic
from typing import Any, Final

from gateway.background.books import Books
from gateway.background.desk import Desk
from gateway.clock import Clock
from gateway.store import workers
from gateway.store.engine import Store
from gateway.store.errors import StoreError
from gateway.store.spend import Ask, Grant, take

EVERY_S: Final = 2.0
FINISH_S: Final = 1.0
"""How long audits and shadows may go on when their worker ends. Their client has its answer; nobody waits for them."""
_log = logging.getLogger(__name__)


class Bookkeeper:
    """Asks the store every two seconds, off the event loop: what may be spent, and how many workers there are."""

    def __init__(
        self, store: Store, writer_id: str, books: Sequence[Books], on_workers: Callable[[int], object], clock: Clock
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
        await self._ask([ask for books in self._books for ask in books.last_asks()])

    def end(self) -> None:
        """Have `run` end soon."""
        self._ending.set()

    async def look(self) -> None:
        """Ask once."""
        now_s = monotonic()
        elapsed_s = max(now_s - self._looked_s, 0.001)
        self._looked_s = now_s
        asks = [books.asks(self._clock(), elapsed_s) for books in self._books]
        found = await self._ask([ask for some in asks for ask in some])
        if found is None:
            return
        grants, count = iter(found[0]), max(1, found[1])
        for books, some in zip(self._books, asks, strict=True):
            books.hear(some, list(islice(grants, len(some))), count, self._clock())
        self._on_workers(count)

    async def _ask(self, asks: list[Ask]) -> tuple[list[Grant], int] | None:
        """What the store answers; `None` where it does not, and what was granted before still stands."""
        try:
            found = await asyncio.to_thread(self._ask_store, asks)
        except StoreError as error:
            if not self._is_cut_off:
                _log.warning("audits and shadows go on with what they were granted: %s", error)
            self._is_cut_off = True
            return None
        self._is_cut_off = False
        return found

    def _ask_store(self, asks: list[Ask]) -> tuple[list[Grant], int]:
        grants = [take(self._store, self._writer_id, ask) for ask in asks]
        return grants, len(workers.live(self._store, self._clock()))


@asynccontextmanager
async def background_of(desks: Sequence[Desk[Any, Any]], bookkeeper: Bookkeeper) -> AsyncIterator[None]:
    """Have these work for as long as the block runs, and a moment longer."""
    async with asyncio.TaskGroup() as group:
        group.create_task(bookkeeper.run())
        working = [group.create_task(desk.run()) for desk in desks]
        try:
            yield
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISH_S):
                    for desk in desks:
                        await desk.until_idle()
            for task in working:
                task.cancel()
            for task in working:
                with suppress(asyncio.CancelledError):
                    await task
            bookkeeper.end()
