"""How late an event loop is: what every request waits for beside its own work."""

import asyncio
from typing import Final

from prometheus_client import CollectorRegistry

from gateway.metrics.numbers import Spreads

EVERY_S: Final = 0.25
LAG_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""From a loop with nothing to do to one that stood still."""


class LoopLag:
    """Asks its loop to be called four times a second, and observes by how much it was too late (seconds)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        said = "How much later than asked the event loop of a worker called, four times a second"
        self._lag = Spreads("gateway_loop_lag_seconds", said, (), registry, bounds=LAG_SECONDS)()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, and go on for as long as the loop runs. Not thread-safe."""
        due_s = loop.time() + EVERY_S
        loop.call_at(due_s, self._called, loop, due_s)

    def _called(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        self._lag.observe(max(0.0, loop.time() - due_s))
        self.start(loop)
