"""One HTTP/1.1 connection to an upstream, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from serving.errors import Broken, Malformed, StaleConnection, TimedOut
from serving.wire import connection as wire
from serving.wire.connection import Connection
from serving.wire.pool import Origin, Pool
from tests.fakes.raw_upstream import (
    END,
    HANG,
    STREAM_HEAD,
    Await,
    Close,
    RawUpstream,
    Script,
    piece,
    raw_upstream,
    reply,
)

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\n{}"
NEVER_S = 1e9
"""A deadline that no test lives to see."""


@asynccontextmanager
async def connected(*scripts: Script) -> AsyncIterator[tuple[Connection, RawUpstream]]:
    async with raw_upstream(*scripts) as server:
        connection = await Pool(Origin.of(server.base_url)).connect(1.0)
        try:
            yield connection, server
        finally:
            connection.close()


async def read(connection: Connection) -> bytes:
    await connection.head()
    return await connection.read_all()


async def test_a_whole_answer() -> None:
    async with connected([reply(b'{"a": 1}', extra="Retry-After: 5\r\nX-Other: 1\r\n")]) as (connection, server):
        connection.send(REQUEST, NEVER_S)
        await connection.head()
        assert (connection.status, connection.headers) == (
            200,
            {b"content-type": b"application/json", b"retry-after": b"5"},
        )
        assert await connection.read_all() == b'{"a": 1}'
        assert connection.is_complete
        assert server.requests == [REQUEST]


async def test_an_answer_in_pieces() -> None:
    more = asyncio.Event()
    async with connected([STREAM_HEAD, piece(b"a"), Await(more), piece(b"b"), END]) as (connection, _):
        connection.send(REQUEST, NEVER_S)
        await connection.head()
        assert await connection.read() == b"a"
        assert await connection.read_until(asyncio.get_running_loop().time() + 0.05) is None
        more.set()
        assert await connection.read() == b"b"
        assert await connection.read() == b""


async def test_an_answer_without_a_body() -> None:
    async with connected([b"HTTP/1.1 204 No Content\r\n\r\n"]) as (connection, _):
        connection.send(REQUEST, NEVER_S)
        await connection.head()
        assert (connection.status, await connection.read_all()) == (204, b"")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([Close()], Broken),
        ([Close(is_reset=True)], Broken),
        ([b"HTTP/1.1 2", Close()], Broken),
        ([b"HTTP/1.1 200 OK\r\ncontent-", Close()], Broken),
        ([reply(b"12345")[:-2], Close()], Broken),
        ([STREAM_HEAD, piece(b"a"), Close()], Broken),
        ([b"HTTP/1.1 200 OK\r\n\r\nabc", Close(is_reset=True)], Broken),
        ([b"220 smtp.example.com ESMTP\r\n", HANG], Malformed),
        ([STREAM_HEAD, b"zz\r\n", HANG], Malformed),
        ([b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nx", HANG], Malformed),
    ],
)
async def test_what_breaks_is_told(script: Script, error: type[Exception]) -> None:
    async with connected(script) as (connection, server):
        connection.send(REQUEST, NEVER_S)
        with pytest.raises(error):
            await _whole(connection)
        await server.until_closed(1)


async def _whole(connection: Connection) -> bytes:
    await connection.head()
    return await connection.read_all()


async def test_case_70_only_a_reused_connection_can_be_stale() -> None:
    kept: list[Connection] = []
    async with connected([reply(b"{}")], [Close()]) as (connection, _):
        connection.send(REQUEST, NEVER_S)
        assert await _whole(connection) == b"{}"
        connection.release(kept.append)
        assert kept == [connection]
        connection.send(REQUEST, NEVER_S)
        with pytest.raises(StaleConnection):
            await connection.head()


async def test_a_connection_is_put_back_once_however_often_it_is_released() -> None:
    kept: list[Connection] = []
    async with connected([reply(b"{}")]) as (connection, _):
        connection.send(REQUEST, NEVER_S)
        await _whole(connection)
        connection.release(kept.append)
        connection.release(kept.append)
        assert len(kept) == 1


@pytest.mark.parametrize("extra", ["connection: close\r\n", "Connection: Close\r\n"])
async def test_a_connection_that_the_upstream_will_close_is_not_kept(extra: str) -> None:
    kept: list[Connection] = []
    async with connected([reply(b"{}", extra=extra), HANG]) as (connection, server):
        connection.send(REQUEST, NEVER_S)
        await _whole(connection)
        connection.release(kept.append)
        assert (kept, connection.is_closed) == ([], True)
        await server.until_closed(1)


async def test_an_answer_that_nobody_reads_on_is_drained_before_the_connection_is_kept() -> None:
    kept: list[Connection] = []
    more = asyncio.Event()
    async with connected([STREAM_HEAD, piece(b"a"), Await(more), piece(b"b" * 1000), END]) as (connection, _):
        connection.send(REQUEST, NEVER_S)
        await connection.head()
        assert await connection.read() == b"a"
        connection.release(kept.append)
        assert not kept
        more.set()
        async with asyncio.timeout(2):
            while not kept:  # noqa: ASYNC110 - the connection calls back
                await asyncio.sleep(0)
        assert kept[0].is_reused


async def test_an_upstream_that_speaks_unasked_is_hung_up_on() -> None:
    async with raw_upstream([reply(b"{}"), reply(b"{}")]) as server:
        pool = Pool(Origin.of(server.base_url))
        connection = await pool.connect(1.0)
        connection.data_received(b"HTTP/1.1 200 OK\r\n")
        assert connection.is_closed
        await server.until_closed(1)


async def test_case_81_a_whole_answer_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", 2 * 2**20)
    async with connected([STREAM_HEAD, *([piece(b"x" * 2**16)] * 64), HANG]) as (connection, server):
        connection.send(REQUEST, NEVER_S)
        with pytest.raises(Malformed):
            await _whole(connection)
        await server.until_closed(1)


async def test_a_stream_that_is_not_read_is_not_taken_in() -> None:
    async with connected([STREAM_HEAD, *([piece(b"x" * 2**16)] * 400), END]) as (connection, _):
        connection.send(REQUEST, NEVER_S)
        await connection.head()
        async with asyncio.timeout(5):
            while connection._buffered <= 2**20:  # noqa: ASYNC110 - until it pauses by itself
                await asyncio.sleep(0)
        held = connection._buffered
        assert held < 3 * 2**20
        size = 0
        while data := await connection.read():
            size += len(data)
        assert size == 400 * 2**16


@pytest.mark.parametrize(
    "script", [[HANG], [STREAM_HEAD, piece(b"a"), HANG]], ids=["before the head", "within the body"]
)
async def test_at_its_deadline_an_exchange_fails_and_the_connection_is_closed(script: Script) -> None:
    async with connected(script) as (connection, _):
        connection.send(REQUEST, asyncio.get_running_loop().time() + 0.05)
        with pytest.raises(TimedOut):
            await read(connection)
        assert connection.is_closed


async def test_a_deadline_that_was_lifted_or_met_ends_nothing() -> None:
    more = asyncio.Event()
    soon_s = asyncio.get_running_loop().time() + 0.05
    async with connected([STREAM_HEAD, Await(more), piece(b"a"), END]) as (connection, _):
        connection.send(REQUEST, soon_s)
        await connection.head()
        connection.lift_deadline()
        assert await connection.read_until(soon_s + 0.05) is None, "it waits beyond the deadline"
        more.set()
        assert await connection.read_all() == b"a"
    async with connected([reply(b"ok"), HANG]) as (connection, _):
        loop, passed = asyncio.get_running_loop(), asyncio.Event()
        deadline_s = loop.time() + 0.05
        connection.send(REQUEST, deadline_s)
        await connection.head()
        assert await connection.read_all() == b"ok"
        connection.release(lambda _: None)
        loop.call_at(deadline_s + 0.02, passed.set)
        await passed.wait()
        assert not connection.is_closed
