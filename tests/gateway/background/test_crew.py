import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from gateway.background.crew import Crew


@dataclass
class Work:
    """Jobs that end when they are told to."""

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.crew: Crew[str] = Crew(self.do, self.dropped.append)

    async def do(self, job: str) -> None:
        self.begun.append(job)
        if job == "bad":
            raise ValueError("this one goes wrong")
        try:
            await self.gates.setdefault(job, asyncio.Event()).wait()
        finally:
            self.ended.append(job)

    def put(self, *jobs: str, line: str = "", most: int = 2) -> None:
        for job in jobs:
            self.crew.put(line, most, job)

    async def let(self, *jobs: str) -> None:
        """Have them end, and what follows from that happen."""
        for job in jobs:
            self.gates.setdefault(job, asyncio.Event()).set()
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(work: Work) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work.crew.run())
        await settled()
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_no_more_are_under_way_than_the_line_allows_and_the_rest_follow_in_order() -> None:
    work = Work()
    async with running(work):
        work.put("a", "b", "c", "d")
        await settled()
        assert work.begun == ["a", "b"]
        await work.let("b")
        assert work.begun == ["a", "b", "c"]
        await work.let("a", "c", "d")
        assert sorted(work.ended) == ["a", "b", "c", "d"]


async def test_lines_do_not_wait_for_each_other() -> None:
    work = Work()
    async with running(work):
        work.put("a", "b", "c")
        work.put("x", "y", line="other", most=1)
        await settled()
        assert work.begun == ["a", "b", "x"]
        await work.let("x", "y", "a", "b", "c")


async def test_a_line_that_is_made_wider_has_more_under_way_and_a_narrower_one_fewer() -> None:
    work = Work()
    async with running(work):
        work.put("a", "b", most=1)
        await settled()
        work.put("c", most=3)
        await settled()
        assert work.begun == ["a", "b", "c"]
        work.put("d", "e", most=1)
        await work.let("a", "b")
        assert work.begun == ["a", "b", "c"]
        await work.let("c")
        assert work.begun == ["a", "b", "c", "d"]
        await work.let("d", "e")
        assert work.ended == ["a", "b", "c", "d", "e"]


async def test_what_was_put_before_it_runs_is_done_then() -> None:
    work = Work()
    work.put("a", "b", "c")
    async with running(work):
        assert work.begun == ["a", "b"]
        await work.let("a", "b", "c")


async def test_at_the_end_what_is_under_way_is_broken_off_and_what_waits_is_dropped() -> None:
    work = Work()
    async with running(work):
        work.put("a", "b", "c", "d")
        await settled()
    assert (work.begun, sorted(work.ended), work.dropped) == (["a", "b"], ["a", "b"], ["c", "d"])
    await work.crew.until_idle()


async def test_a_job_whose_task_never_began_is_dropped() -> None:
    work = Work()
    task = asyncio.ensure_future(work.crew.run())
    await settled()
    task.cancel()
    work.put("a")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (work.begun, work.dropped) == ([], ["a"])


async def test_what_goes_wrong_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    async with running(work):
        work.put("bad", "bad", "a", most=1)
        await work.let("a")
        assert work.ended == ["a"]
        await work.crew.until_idle()
    assert caplog.text.count("a job beside the requests failed") == 2


async def test_it_is_idle_when_nothing_waits_or_is_under_way() -> None:
    work = Work()
    await work.crew.until_idle()
    async with running(work):
        work.put("a", "b", most=1)
        waiting = asyncio.ensure_future(work.crew.until_idle())
        await work.let("a")
        assert not waiting.done()
        await work.let("b")
        await waiting
