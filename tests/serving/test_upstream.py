"""One model as the data plane sees it."""

from time import monotonic

import pytest

from routing.resilience.breaker import Breaker, BreakerRule
from routing.words import ModelName
from serving.errors import (
    Broken,
    Busy,
    Malformed,
    ModelMissing,
    NotAdmitted,
    RequestRejected,
    StaleConnection,
    Unreachable,
    UpstreamError,
)
from serving.upstream import Address, Upstream, headers_of
from tests.fakes.raw_upstream import Close, raw_upstream, reply

CHAT = "/chat/completions"


def upstream(base_url: str = "http://127.0.0.1:1/v1", api_key: str | None = None) -> Upstream:
    address = Address(provider="vllm", base_url=base_url, model="m", api_key=api_key)
    return Upstream(ModelName("v1"), address, Breaker(BreakerRule(failures=2, open_s=10.0)))


async def call(model: Upstream, body: bytes = b"{}") -> bytes:
    connection = await model.open(CHAT, body, headers=headers_of("id-1"), connect_s=1.0, deadline_s=monotonic() + 5)
    try:
        return await connection.read_all()
    finally:
        model.release(connection)


async def test_a_request_as_it_goes_out() -> None:
    async with raw_upstream([reply(b"ok")]) as server:
        assert await call(upstream(server.base_url, "sk-1"), b'{"a": "\xc3\xbc"}') == b"ok"
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        assert (line, body) == ("POST /v1/chat/completions HTTP/1.1", b'{"a": "\xc3\xbc"}')
        assert dict(header.split(": ", 1) for header in headers) == {
            "host": f"127.0.0.1:{server.port}",
            "authorization": "Bearer sk-1",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",
            "user-agent": "fallgate",
            "x-request-id": "id-1",
            "content-length": "11",
        }


async def test_without_a_key_none_is_sent() -> None:
    async with raw_upstream([reply(b"ok")]) as server:
        await call(upstream(server.base_url))
        assert b"authorization" not in server.requests[0]


async def test_case_70_a_stale_connection_costs_one_more_try_and_no_more() -> None:
    async with raw_upstream([reply(b"1")], [Close()], [reply(b"2")], [Close()], [Close()]) as server:
        model = upstream(server.base_url)
        assert [await call(model), await call(model)] == [b"1", b"2"]
        with pytest.raises(Broken):
            await call(model)
        assert len(server.requests) == 5


def test_a_key_is_shown_nowhere() -> None:
    model = upstream(api_key="sk-secret")
    assert "sk-secret" not in repr(model.address)


@pytest.mark.parametrize(
    ("errors", "is_admitted"),
    [
        ([], True),
        ([Broken("x")], True),
        ([Broken("x"), Malformed("x")], False),
        ([Broken("x"), None, Broken("x")], True),
        ([Broken("x"), RequestRejected("x", upstream_status=400, param=None, error_code=None), Broken("x")], True),
        ([Broken("x"), NotAdmitted("x"), Broken("x")], False),
        ([Busy("x", retry_after_s=5.0)], False),
        ([Busy("x")], True),
        ([StaleConnection("x"), StaleConnection("x")], False),
    ],
)
def test_what_the_breaker_makes_of_it(errors: list[UpstreamError | None], is_admitted: bool) -> None:
    model = upstream()
    for error in errors:
        model.note(error, 100.0)
    if is_admitted:
        model.admit(101.0)
    else:
        with pytest.raises(NotAdmitted) as caught:
            model.admit(101.0)
        assert caught.value.retry_after_s is not None
        assert 0 < caught.value.retry_after_s <= 10


def test_trouble_is_told_once_with_what_it_mostly_comes_from_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    model = upstream("http://127.0.0.1:1")
    missing = ModelMissing("the model's server does not serve the model", upstream_status=404)
    for _ in range(3):
        model.note(missing, 0.0)
    model.note(Unreachable("the model's server cannot be reached"), 0.0)
    model.note(None, 0.0)
    model.note(None, 0.0)

    assert [record.getMessage() for record in caplog.records] == [
        "model v1 at http://127.0.0.1:1: the model's server does not serve the model (status 404); "
        "base_url does not end in /v1",
        "model v1 at http://127.0.0.1:1: the model's server cannot be reached",
        "model v1 answers again",
    ]
