"""What arrives over the wire before it is a request: slow, endless, ambiguous or garbage."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from gateway.data import guard, protocol
from tests.fakes.asking import ARM_TEXT, CHAT, Answer, Stage, Wire, post, question, stage
from tests.fakes.gateways import SECRET

GET = b"GET /v1/models HTTP/1.1\r\n"
KEY = b"authorization: Bearer " + SECRET.encode() + b"\r\n"
JSON = b"content-type: application/json\r\n"
HOST = b"host: t\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + KEY + JSON


@pytest.fixture
async def made() -> AsyncIterator[Stage]:
    async with stage() as made:
        yield made
        assert (await made.ask()).text == ARM_TEXT
        assert made.gateway.begun == len(made.gateway.finished)


async def raw(made: Stage, *parts: bytes) -> Answer:
    """What comes back for some bytes, on a connection that the gateway then closes."""
    async with Wire.to(made.gateway) as wire:
        wire.send(*parts)
        answer = await wire.answer()
        assert await wire.rest() == b""
        return answer


def assert_refused(answer: Answer, status: int, *, code: str | None = None) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
    assert len(answer.headers["x-request-id"]) == 36
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", code)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(POST + HOST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}", id="43 CL and TE"),
        pytest.param(POST + HOST + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}", id="43 TE and CL"),
        pytest.param(POST + HOST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}}", id="44 two CL"),
        pytest.param(POST + HOST + b"transfer-encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", id="44 xchunked"),
        pytest.param(POST + HOST + b"content-length: -1\r\n\r\n", id="44 negative CL"),
        pytest.param(POST + HOST + b"content-length: 0x10\r\n\r\n", id="44 hexadecimal CL"),
        pytest.param(POST + HOST + b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n", id="44 bare LF in a chunk"),
        pytest.param(GET + HOST + b"x-a : b\r\n\r\n", id="a space before the colon"),
        pytest.param(GET + HOST + b"x-a: b\0c\r\n\r\n", id="NUL in a header"),
        pytest.param(GET + HOST + b" folded: x\r\n\r\n", id="a folded header"),
        pytest.param(b"hello\r\n\r\n", id="not HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", id="an endless address"),
    ],
)
async def test_cases_43_and_44_ambiguous_or_broken_requests_are_refused_and_the_connection_closed(
    made: Stage, request_: bytes
) -> None:
    answer = await raw(made, request_)
    assert answer.status in (400, 431)
    assert_refused(answer, answer.status)
    assert not made.server.seen.calls


@pytest.mark.parametrize("hosts", [b"", HOST + HOST, HOST + b"Host: other\r\n"], ids=["none", "twice", "two"])
async def test_case_45_exactly_one_host(made: Stage, hosts: bytes) -> None:
    assert_refused(await raw(made, post(question(), host=hosts)), 400)


async def test_case_46_a_host_that_looks_like_a_path_gets_past_nothing(made: Stage) -> None:
    async with Wire.to(made.gateway) as wire:
        wire.send(b"GET /v1/models HTTP/1.1\r\nhost: a/livez?x=\r\n\r\n")
        assert (await wire.answer()).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"x-a: " + b"y" * 70_000 + b"\r\n", id="one large"),
        pytest.param(b"".join(b"x-%d: y\r\n" % number for number in range(101)), id="101"),
        pytest.param(b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1400) for number in range(50)), id="70 KiB in 50"),
        pytest.param(b"x-a: " + b"y" * 3_000_000 + b"\r\n", id="3 MB"),
    ],
)
async def test_case_47_too_many_or_too_large_headers(made: Stage, headers: bytes) -> None:
    assert_refused(await raw(made, GET, HOST, KEY, headers, b"\r\n"), 431)


async def test_case_47_a_head_that_grows_without_end_is_refused_before_its_end(made: Stage) -> None:
    async with Wire.to(made.gateway) as wire:
        wire.send(GET, HOST)
        for _ in range(70):
            wire.send(b"x-a: ", b"y" * 1000, b"\r\n")
        assert_refused(await wire.answer(), 431)


async def test_case_47_a_large_head_within_the_limits_is_fine(made: Stage) -> None:
    headers = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 600) for number in range(90))
    async with Wire.to(made.gateway) as wire:
        wire.send(GET, HOST, KEY, headers, b"\r\n")
        assert (await wire.answer()).status == 200


@pytest.mark.parametrize("start", [b"", b"G", GET, GET + HOST + b"x-a: "], ids=["nothing", "a byte", "a line", "half"])
async def test_case_48_a_head_that_does_not_come_in_time(
    made: Stage, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.1)
    assert_refused(await raw(made, start), 408, code="request_timeout")


async def test_case_48_a_byte_now_and_then_does_not_extend_the_time(
    made: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.2)
    async with Wire.to(made.gateway) as wire, asyncio.TaskGroup() as group:
        answering = group.create_task(wire.answer())
        async with asyncio.timeout(2):
            wire.send(GET, HOST, b"x-a: ")
            while not answering.done():
                wire.send(b"y")
                await asyncio.wait([answering], timeout=0.02)
        assert_refused(answering.result(), 408, code="request_timeout")


async def test_case_48_the_second_head_of_a_connection_has_a_deadline_too(
    made: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.1)
    async with Wire.to(made.gateway) as wire:
        wire.send(GET, HOST, KEY, b"\r\n")
        assert (await wire.answer()).status == 200
        wire.send(b"GET /v1")
        assert_refused(await wire.answer(), 408, code="request_timeout")


async def test_case_49_a_body_that_does_not_come_in_time_takes_no_slot(
    made: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_TIMEOUT_S", 0.1)
    assert_refused(await raw(made, post(question())[:-3]), 408, code="request_timeout")
    assert made.gateway.begun == 0


async def test_case_49_an_idle_connection_has_no_deadline_once_its_request_has_come(
    made: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEAD_TIMEOUT_S", "BODY_TIMEOUT_S"):
        monkeypatch.setattr(protocol, name, 0.05)
    made.server.rescript("v1", latency_ms=150.0)
    async with Wire.to(made.gateway) as wire:
        for _ in range(2):
            request = post(question())
            wire.send(request[:-5])
            await asyncio.sleep(0)
            wire.send(request[-5:])
            assert (await wire.answer()).text == ARM_TEXT


async def test_a_refusal_before_the_body_came_leaves_no_deadline_behind(
    made: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BODY_TIMEOUT_S", 0.05)
    async with Wire.to(made.gateway) as wire:
        request = post(question()).replace(SECRET.encode(), b"wrong")
        wire.send(request[:-5])
        assert (await wire.answer()).status == 401
        wire.send(request[-5:])
        with pytest.raises(TimeoutError):
            await wire.rest(timeout_s=0.2)
        wire.send(post(question()))
        assert (await wire.answer()).status == 200


async def test_case_16_a_declared_size_over_the_limit_is_refused_before_the_body_is_read(made: Stage) -> None:
    head = POST + HOST + b"content-length: %d\r\n\r\n" % (guard.MAX_BODY_BYTES + 1)
    assert_refused(await raw(made, head), 413, code="request_too_large")


async def test_case_17_a_chunked_body_is_refused_as_soon_as_it_passes_the_limit(made: Stage) -> None:
    async with Wire.to(made.gateway) as wire:
        wire.send(POST, HOST, b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(9):
            wire.send(b"100000\r\n", b" " * 2**20, b"\r\n")
        assert_refused(await wire.answer(), 413, code="request_too_large")


async def test_a_chunked_body_is_as_good_as_any(made: Stage) -> None:
    body = json.dumps(question()).encode()
    async with Wire.to(made.gateway) as wire:
        wire.send(POST, HOST, b"transfer-encoding: chunked\r\n\r\n")
        for byte in body:
            wire.send(b"1\r\n%c\r\n" % byte)
        wire.send(b"0\r\n\r\n")
        assert (await wire.answer()).text == ARM_TEXT


async def test_case_18_a_body_that_ends_too_early_is_nobodys_error(
    made: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with Wire.to(made.gateway) as wire:
        wire.send(post(question())[:-3])
        await asyncio.sleep(0)
    assert (await made.ask()).status == 200
    assert (made.gateway.begun, len(made.server.seen.calls)) == (1, 1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_case_51_pipelined_requests_are_answered_in_order(made: Stage) -> None:
    async with Wire.to(made.gateway) as wire:
        wire.send(post(question(stream=True)), GET, HOST, KEY, b"\r\n")
        wire.send(post(question(model="unknown")), post(question()))
        first, second, third, fourth = [await wire.answer() for _ in range(4)]
        assert (first.text, first.payloads[-1]) == (ARM_TEXT, "[DONE]")
        assert second.json["object"] == "list"
        assert third.error["code"] == "model_not_found"
        assert fourth.text == ARM_TEXT


@pytest.mark.parametrize("second", [b"garbage\r\n\r\n", post(question())[:-3]], ids=["garbage", "half a body"])
async def test_case_51_what_is_wrong_behind_a_stream_is_never_written_into_it(
    made: Stage, monkeypatch: pytest.MonkeyPatch, second: bytes
) -> None:
    monkeypatch.setattr(protocol, "BODY_TIMEOUT_S", 0.05)
    made.server.rescript("v1", tokens_per_second=100.0)
    async with Wire.to(made.gateway) as wire:
        wire.send(post(question(stream=True)))
        await wire.until(b"data: ")
        wire.send(second)
        rest = await wire.rest()
        assert b"HTTP/1.1" not in rest.partition(b"0\r\n\r\n")[0]
    await made.gateway.until_finished(1)


async def test_case_52_a_body_that_is_too_large_is_refused_without_a_100(made: Stage) -> None:
    head = POST + HOST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % (guard.MAX_BODY_BYTES + 1)
    assert_refused(await raw(made, head), 413, code="request_too_large")


async def test_case_52_a_body_that_fits_is_asked_for(made: Stage) -> None:
    body = json.dumps(question()).encode()
    async with Wire.to(made.gateway) as wire:
        wire.send(POST, HOST, b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert await wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(body)
        assert (await wire.answer()).text == ARM_TEXT


@pytest.mark.parametrize(
    ("line", "statuses"),
    [
        (b"TRACE /v1/chat/completions", {405}),
        (b"TRACE /v1/models", {405, 501}),
        (b"CONNECT example.com:443", {400, 405, 501}),
        (b"OPTIONS *", {400, 404, 405, 501}),
        (b"OPTIONS /v1/chat/completions", {405}),
        (b"BREW /v1/chat/completions", {400, 405, 501}),
    ],
)
async def test_case_55_odd_methods_are_refused(made: Stage, line: bytes, statuses: set[int]) -> None:
    async with Wire.to(made.gateway) as wire:
        wire.send(line, b" HTTP/1.1\r\n", HOST, KEY, b"\r\n")
        answer = await wire.answer()
        assert answer.status in statuses
        assert answer.error


async def test_case_59_two_authorizations_are_none(made: Stage) -> None:
    async with Wire.to(made.gateway) as wire:
        wire.send(post(question(), headers=KEY))
        answer = await wire.answer()
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


async def test_an_http_1_0_client_is_answered_and_its_connection_closed(made: Stage) -> None:
    answer = await raw(made, post(question()).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (answer.text, answer.headers["connection"]) == (ARM_TEXT, "close")
    assert CHAT in made.server.seen.paths
