"""Wall time, as integer microseconds UTC. Durations come from the monotonic clock instead."""

from collections.abc import Callable
from time import time_ns

Clock = Callable[[], int]
"""Returns UTC microseconds since 1970."""


def now_us() -> int:
    """The time now."""
    return time_ns() // 1000
