"""A loop that stood still is seen."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from gateway.metrics.lag import EVERY_S, LoopLag


class Clockwork:
    """The part of an event loop that has the time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._asked: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, due_s: float, callback: Callable[..., object], *args: Any) -> None:
        self._asked.append((due_s, lambda: callback(*args)))

    def call_late(self, by_s: float) -> None:
        """Call what was asked for, so much too late."""
        ((due_s, callback),) = self._asked
        self._asked.clear()
        self.now_s = due_s + by_s
        callback()


def test_how_late_a_loop_calls_is_observed_again_and_again() -> None:
    registry, loop = CollectorRegistry(), Clockwork()
    LoopLag(registry).start(cast(asyncio.AbstractEventLoop, loop))
    for late_s in (0.0, 0.3, 0.002):
        loop.call_late(late_s)
    value = registry.get_sample_value
    assert value("gateway_loop_lag_seconds_count") == 3
    assert value("gateway_loop_lag_seconds_sum") == pytest.approx(0.302)
    assert value("gateway_loop_lag_seconds_bucket", {"le": "0.1"}) == 2
    assert loop.now_s == pytest.approx(100.302 + 3 * EVERY_S)
