"""Connections to upstreams are used again, by one request at a time."""

import asyncio

import pytest

from serving.wire import pool
from tests.fakes.asking import Stage, ask, before, stage
from tests.fakes.raw_upstream import END, STREAM_HEAD, Await, Close, completion, delta, event, raw_upstream, reply
from tests.gateway.exchange.expectations import BOTH


async def ask_many(made: Stage, count: int, *, stream: bool) -> list[str]:
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask(made.gateway, stream=stream)) for _ in range(count)]
    return [task.result().text for task in asking]


@BOTH
async def test_requests_one_after_the_other_share_a_connection(stream: bool) -> None:
    async with stage() as made:
        for _ in range(4):
            await made.ask(stream=stream)
        assert [request.connection for request in made.server.seen.requests] == [1, 1, 1, 1]


@BOTH
async def test_requests_at_the_same_time_never_share_a_connection(stream: bool) -> None:
    async with stage() as made:
        await made.ask(stream=stream)
        made.server.rescript("v1", latency_ms=50.0)
        texts = await ask_many(made, 8, stream=stream)
        assert len(set(texts)) == 1
        at_once = [request.connection for request in made.server.seen.requests][1:]
        assert sorted(set(at_once)) == sorted(at_once)


async def test_a_stream_that_was_held_whole_gives_its_connection_back_once() -> None:
    answer = STREAM_HEAD + delta(role="assistant", content="short") + delta(finish="stop") + event("[DONE]") + END
    may_end = asyncio.Event()
    slow = [STREAM_HEAD, Await(may_end), delta("slow"), delta(finish="stop"), event("[DONE]"), END]
    async with raw_upstream([answer], slow) as server, before(server.base_url) as made:
        assert (await ask(made, stream=True)).text == "short"
        async with asyncio.TaskGroup() as group:
            first, second = (group.create_task(ask(made, stream=True)) for _ in range(2))
            await server.until_asked(3)
            may_end.set()
        assert [first.result().text, second.result().text] == ["slow", "slow"]
        assert server.connections == 2


@BOTH
async def test_an_idle_connection_is_closed_after_its_time(monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    monkeypatch.setattr(pool, "KEEP_ALIVE_S", 0.05)
    async with stage() as made:
        await made.ask(stream=stream)
        await made.server.seen.until(lambda seen: seen.connections_open == 0, timeout_s=1)
        await made.ask(stream=stream)
        assert [request.connection for request in made.server.seen.requests] == [1, 2]


def test_connections_are_kept_for_two_seconds_at_most() -> None:
    assert pool.KEEP_ALIVE_S == 2.0


async def test_case_70_a_reused_connection_that_closes_after_a_byte_is_a_failure() -> None:
    good, cut = reply(completion()), b"HTTP/1.1 2"
    async with raw_upstream([good], [cut, Close()], [good]) as server, before(server.base_url) as made:
        assert (await ask(made)).status == 200
        broken = await ask(made)
        assert (broken.status, broken.error["code"]) == (502, "upstream_interrupted")
        assert len(server.requests) == 2


async def test_case_70_a_second_close_in_a_row_is_a_failure() -> None:
    async with raw_upstream([reply(completion())], [Close()], [Close()]) as server, before(server.base_url) as made:
        assert (await ask(made)).status == 200
        assert (await ask(made)).error["code"] == "upstream_interrupted"
        assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize("rest", [b"garbage", reply(completion("not for you")), b"HTTP/1.1 200 OK\r\ncontent-le"])
async def test_a_connection_with_something_behind_its_answer_is_not_used_again(rest: bytes) -> None:
    scripts = [reply(completion("one")) + rest], [reply(completion("two"))]
    async with raw_upstream(*scripts) as server, before(server.base_url) as made:
        assert (await ask(made)).text == "one"
        await server.until_closed(1)
        assert (await ask(made)).text == "two"
        assert server.connections == 2


async def test_case_93_what_comes_after_done_is_ignored_and_the_connection_used_again() -> None:
    async with stage("after_done") as made:
        for _ in range(2):
            answer = await made.ask(stream=True)
            assert answer.payloads.count("[DONE]") == 1
            assert answer.payloads[-1] == "[DONE]"
        assert [request.connection for request in made.server.seen.requests] == [1, 1]


async def test_case_93_an_upstream_that_does_not_end_after_done_loses_its_connection() -> None:
    async with stage("hang_after_done") as made:
        assert (await made.ask(stream=True)).payloads[-1] == "[DONE]"
        await made.server.seen.until(lambda seen: seen.connections_open == 0, timeout_s=2)
