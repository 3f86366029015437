"""Connections that are kept for a while, and addresses."""

import asyncio
import socket

import pytest

from serving.errors import Unreachable
from serving.wire import pool
from serving.wire.connection import Connection
from serving.wire.pool import Origin, Pool
from tests.fakes.raw_upstream import HANG, raw_upstream


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/v1", ("h", 80, False, "h", "/v1")),
        ("https://h/v1/", ("h", 443, True, "h", "/v1")),
        ("http://h:8100/v1", ("h", 8100, False, "h:8100", "/v1")),
        ("https://h:443", ("h", 443, True, "h", "")),
        ("http://[::1]:8100/a/b", ("::1", 8100, False, "[::1]:8100", "/a/b")),
        ("http://[::1]", ("::1", 80, False, "[::1]", "")),
    ],
)
def test_an_address_is_taken_apart(url: str, expected: tuple[str, int, bool, str, str]) -> None:
    origin = Origin.of(url)
    assert (origin.host, origin.port, origin.is_tls, origin.host_header, origin.path) == expected


@pytest.mark.parametrize("url", ["", "h", "h:80", "ftp://h", "http://", "file:///etc/passwd", "http://h:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Origin.of(url)


async def kept_open(count: int, port: int) -> tuple[Pool, list[Connection]]:
    connections = Pool(Origin.of(f"http://127.0.0.1:{port}"))
    made = [await connections.connect(1.0) for _ in range(count)]
    for connection in made:
        connections.put_back(connection)
    return connections, made


async def test_the_last_used_connection_is_used_first() -> None:
    async with raw_upstream([HANG]) as server:
        connections, made = await kept_open(3, server.port)
        assert [connections.reuse() for _ in range(4)] == [*reversed(made), None]
        for connection in made:
            connection.close()


async def test_closed_connections_are_passed_over() -> None:
    async with raw_upstream([HANG]) as server:
        connections, made = await kept_open(2, server.port)
        made[1].close()
        assert connections.reuse() is made[0]
        made[0].close()


async def test_connections_that_nobody_uses_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "KEEP_ALIVE_S", 0.05)
    async with raw_upstream([HANG]) as server:
        connections, _ = await kept_open(3, server.port)
        await server.until_closed(3)
        assert connections.reuse() is None


async def test_a_connection_that_is_too_old_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_upstream([HANG]) as server:
        connections, made = await kept_open(1, server.port)
        monkeypatch.setattr(pool, "KEEP_ALIVE_S", -1.0)
        assert connections.reuse() is None
        assert made[0].is_closed


async def test_closing_a_pool_closes_what_is_idle() -> None:
    async with raw_upstream([HANG]) as server:
        connections, _ = await kept_open(2, server.port)
        connections.close()
        await server.until_closed(2)


async def test_case_68_a_refused_connection_tells_no_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            await Pool(Origin.of(f"http://127.0.0.1:{port}")).connect(1.0)
    assert str(port) not in str(caught.value)
    assert "127" not in str(caught.value)


async def test_case_104_a_server_without_tls() -> None:
    async with raw_upstream([b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as server:
        url = server.base_url.replace("http", "https")
        with pytest.raises(Unreachable):
            await Pool(Origin.of(url)).connect(0.3)
        async with asyncio.timeout(2):
            await server.until_closed(1)
