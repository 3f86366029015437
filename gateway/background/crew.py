"""Jobs that are done beside the requests: a few of each line at a time, in the order in which they came."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Line(Generic[T]):
    """Jobs that wait for each other."""

    most: int
    """At a time."""
    jobs: deque[T] = field(default_factory=deque)
    at_work: int = 0


class Crew(Generic[T]):
    """Does jobs for as long as it runs. There are as many lines as somebody names, which should be few."""

    def __init__(self, do: Callable[[T], Awaitable[None]], drop: Callable[[T], None]) -> None:
        """`do` does one, and may be cancelled in it; `drop` is told of each that will not be done."""
        self._do = do
        self._drop = drop
        self._lines: dict[str, _Line[T]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, line: str, most: int, job: T) -> None:
        """Have a job done as soon as fewer than `most` of its line are under way. Takes no time."""
        queue = self._lines.setdefault(line, _Line(most))
        queue.most = most
        queue.jobs.append(job)
        self._idle.clear()
        self._set_to_work(queue)

    async def run(self) -> None:
        """Work until cancelled; what is under way then is broken off, and what waits is dropped."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for queue in self._lines.values():
                    self._set_to_work(queue)
                await asyncio.Event().wait()
        finally:
            self._group = None
            for queue in self._lines.values():
                queue.at_work = 0
                while queue.jobs:
                    self._drop(queue.jobs.popleft())
            self._idle.set()

    async def until_idle(self) -> None:
        """Wait until no job waits or is under way."""
        await self._idle.wait()

    def _set_to_work(self, queue: _Line[T]) -> None:
        """Begin as many tasks as there are jobs, as far as they may work at a time."""
        wanted = min(queue.most, queue.at_work + len(queue.jobs))
        while self._group is not None and queue.at_work < wanted:
            queue.at_work += 1
            self._group.create_task(self._work(queue))

    async def _work(self, queue: _Line[T]) -> None:
        # A task that is cancelled before it begins leaves its job in the line, where it is dropped.
        while queue.jobs and queue.at_work <= queue.most:
            try:
                await self._do(queue.jobs.popleft())
            except Exception:  # noqa: BLE001 - what goes wrong beside requests must not end the worker that answers them
                _log.exception("a job beside the requests failed")
        queue.at_work -= 1
        if not any(line.jobs or line.at_work for line in self._lines.values()):
            self._idle.set()
