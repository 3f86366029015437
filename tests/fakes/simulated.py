"""The simulated upstream for tests, over real sockets: in the loop of the test, or in a thread of its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from serving.simulated.script import ModelScript
from serving.simulated.seen import Seen
from serving.simulated.upstream import SimulatedUpstream

Models = Iterable[ModelScript | str]


@asynccontextmanager
async def simulated(models: Models = ("model",)) -> AsyncIterator[SimulatedUpstream]:
    """Start an upstream on a free port of 127.0.0.1, and stop it at the end.

    models: scripts, or names for models that answer at once with the default text.

        async with simulated([ModelScript(name="v1", text="refund"), "large"]) as server:
            ...  # call server.base_url
            await server.seen.until(lambda seen: seen.clients_gone == 1)
            server.rescript("v1", faults=["cut:3"])
            await server.stop()  # connections are refused from here on
            await server.start(port=server.port)
    """
    server = SimulatedUpstream(ModelScript(name=model) if isinstance(model, str) else model for model in models)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Threaded:
    """An upstream in a thread of its own. What it saw may be read at any time."""

    server: SimulatedUpstream
    loop: asyncio.AbstractEventLoop

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return self.server.base_url

    def until(self, holds: Callable[[Seen], bool], timeout_s: float = 5.0) -> None:
        """Block until `holds(seen)`. Raises TimeoutError when that takes longer than `timeout_s`."""
        asyncio.run_coroutine_threadsafe(self.server.seen.until(holds, timeout_s), self.loop).result()


@contextmanager
def simulated_in_thread(models: Models = ("model",)) -> Iterator[Threaded]:
    """Start an upstream in a thread, for clients that block."""
    started: Future[Threaded] = Future()
    ended = asyncio.Event()

    async def serve() -> None:
        async with simulated(models) as server:
            started.set_result(Threaded(server=server, loop=asyncio.get_running_loop()))
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="simulated upstream")
    thread.start()
    threaded = started.result(timeout=5)
    try:
        yield threaded
    finally:
        threaded.loop.call_soon_threadsafe(ended.set)
        thread.join(timeout=5)
