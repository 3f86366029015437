"""The simulated upstream for tests: over real sockets, in the loop of the test."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from serving.simulated.script import ModelScript
from serving.simulated.upstream import SimulatedUpstream


@asynccontextmanager
async def simulated(models: Iterable[ModelScript | str] = ("model",)) -> AsyncIterator[SimulatedUpstream]:
    """Start an upstream on a free port of 127.0.0.1, and stop it at the end.

    models: scripts, or names for models that answer at once with the default text.
    The server tells `base_url`, `seen` (with `await server.seen.until(lambda seen: ...)`), and takes
    `server.rescript("model", faults=["cut:3"], latency_ms=50)` while it runs.
    """
    server = SimulatedUpstream(ModelScript(name=model) if isinstance(model, str) else model for model in models)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
