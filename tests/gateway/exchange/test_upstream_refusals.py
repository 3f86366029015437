"""Upstreams that cannot be reached or refuse: who answers instead, and what a client sees when nobody does."""

import socket
from collections.abc import Iterator

import pytest

from tests.fakes.asking import ask as ask_gateway
from tests.fakes.asking import before, stage
from tests.fakes.raw_upstream import raw_upstream, reply
from tests.fakes.simulated import simulated
from tests.gateway.exchange.expectations import BOTH, assert_failed, assert_replaced


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that takes no more connections and refuses none: its queue is full."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@BOTH
async def test_case_68_a_refused_connection_falls_back_at_once(closed_port: int, stream: bool) -> None:
    dead = {"base_url": f"http://127.0.0.1:{closed_port}/v1"}
    async with stage(large=(), v1_entry=dead) as made:
        answer = await made.ask(stream=stream)
        assert_replaced(made, answer, reason="error", result="error")


@BOTH
async def test_case_68_with_nobody_left_a_refused_connection_is_a_502(closed_port: int, stream: bool) -> None:
    async with before(f"http://127.0.0.1:{closed_port}/v1") as made:
        answer = await ask_gateway(made, stream=stream)
    assert_failed(answer, status=502, code="upstream_unreachable")
    assert str(closed_port) not in answer.body.decode()
    assert "x-should-retry" not in answer.headers


async def test_case_68_an_unknown_host_is_unreachable() -> None:
    async with before("http://no-such-host.invalid/v1", connect_s=5.0) as made:
        answer = await ask_gateway(made)
    assert_failed(answer, status=502, code="upstream_unreachable")
    assert "no-such-host" not in answer.body.decode()


@BOTH
async def test_case_69_a_black_hole_is_bounded_by_the_connect_timeout(black_hole: int, stream: bool) -> None:
    silent = {"base_url": f"http://127.0.0.1:{black_hole}/v1"}
    async with stage(large=(), v1_entry=silent, connect_s=0.05) as made:
        answer = await made.ask(stream=stream)
        assert_replaced(made, answer, reason="error", result="error")
        first = made.last.attempts[0]
        assert first.ended_s is not None
        assert 0.04 < first.ended_s - first.started_s < 2


@BOTH
async def test_case_70_a_reused_connection_that_closes_before_a_byte_is_tried_again_for_free(stream: bool) -> None:
    async with stage("close_reused", large=()) as made:
        for _ in range(3):
            answer = await made.ask(stream=stream)
            assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "1")
            assert made.results == ["completed"]
        seen = made.server.seen
        # The first request opened a connection; each later one found it closed and opened another.
        assert (seen.connections_opened, seen.models["v1"], seen.models["large"]) == (3, 5, 0)
        assert made.gateway.metric("attempts_total", route="support", model="v1", result="completed") == 3


@BOTH
async def test_case_70_a_fresh_connection_that_closes_before_a_byte_is_a_failure(stream: bool) -> None:
    async with stage("refuse", large=()) as made:
        assert_replaced(made, await made.ask(stream=stream), reason="error", result="error")
        assert made.calls("v1") == 1


@BOTH
async def test_case_71_an_answer_cut_off_by_a_reset_is_not_asked_for_again_but_falls_back(stream: bool) -> None:
    async with stage("cut:0", large=()) as made:
        assert_replaced(made, await made.ask(stream=stream), reason="error", result="error")
        assert made.calls("v1") == 1


async def test_case_71_with_nobody_left_a_cut_answer_is_a_502() -> None:
    async with stage("cut") as made:
        assert_failed(await made.ask(), status=502, code="upstream_interrupted")
        assert (made.last.outcome, made.results) == ("failed", ["error"])


@BOTH
@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 409, 418])
async def test_case_72_an_upstream_that_fails_is_replaced(status: int, stream: bool) -> None:
    async with stage(f"status:{status}", large=()) as made:
        assert_replaced(made, await made.ask(stream=stream), reason="error", result="error")
        assert made.last.attempts[0].error is not None
        assert made.last.attempts[0].error.upstream_status == status


@BOTH
async def test_case_72_with_all_dead_a_client_sees_a_502_and_is_told_not_to_repeat_it(stream: bool) -> None:
    async with stage("500", large=["503"]) as made:
        answer = await made.ask(stream=stream)
        assert_failed(answer, status=502, code="upstream_error", message="status 503")
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-gateway-attempts"] == "2"
        assert "x-gateway-fallback" not in answer.headers
        assert (made.last.outcome, made.last.reason, made.last.status) == ("failed", "error", 502)
        assert made.results == ["error", "error"]
        assert "simulated" not in answer.body.decode()


@BOTH
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_case_75_what_the_upstream_finds_wrong_with_the_request_is_passed_on(status: int, stream: bool) -> None:
    async with stage(f"status:{status}", large=()) as made:
        for _ in range(6):  # one more than opens a breaker
            answer = await made.ask(stream=stream)
            assert_failed(answer, status=status, code=None, type="invalid_request_error")
            assert answer.error["message"] == f"simulated error {status}"
            assert answer.headers["x-gateway-attempts"] == "1"
            assert (made.last.outcome, made.results, made.last.status) == ("rejected", ["rejected"], status)
        assert (made.calls("v1"), made.calls("large")) == (6, 0)


@BOTH
@pytest.mark.parametrize("status", [401, 403])
async def test_case_76_a_refused_upstream_key_is_no_401_and_shows_nothing_of_it(status: int, stream: bool) -> None:
    body = b'{"error": {"message": "Incorrect API key provided: sk-secret", "code": "invalid_api_key"}}'
    async with raw_upstream([reply(body, status=f"{status} No")]) as server, before(server.base_url) as made:
        answer = await ask_gateway(made, stream=stream)
    assert_failed(answer, status=502, code="upstream_auth_error")
    assert "sk-" not in answer.body.decode()
    assert "www-authenticate" not in answer.headers


@BOTH
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_cases_76_and_77_a_refused_key_or_a_missing_model_falls_back(status: int, stream: bool) -> None:
    async with stage(f"status:{status}", large=()) as made:
        assert_replaced(made, await made.ask(stream=stream), reason="error", result="error")


async def test_case_77_a_model_that_is_not_loaded_is_left_alone_after_a_while() -> None:
    async with stage("404", large=()) as made:
        for _ in range(8):
            await made.ask()
        assert made.calls("v1") == 5
        assert (made.last.reason, made.results) == ("unavailable", ["unavailable", "completed"])


async def test_case_77_with_nobody_left_a_missing_model_is_a_502() -> None:
    async with stage("404") as made:
        assert_failed(await made.ask(), status=502, code="upstream_model_missing")


@BOTH
async def test_case_97_a_redirect_is_not_followed(stream: bool) -> None:
    async with stage("redirect", large=()) as made:
        assert_replaced(made, await made.ask(stream=stream), reason="error", result="error")
        assert set(made.server.seen.paths) == {"/v1/chat/completions"}


async def test_case_97_with_nobody_left_a_redirect_is_a_502() -> None:
    async with stage("redirect:http://127.0.0.1:1/elsewhere") as made:
        answer = await made.ask()
        assert_failed(answer, status=502, code="upstream_error", message="302")
        assert "location" not in answer.headers


@BOTH
async def test_case_104_a_failed_tls_handshake_is_told_without_its_details(stream: bool) -> None:
    async with simulated(["v1"]) as server:
        url = server.base_url.replace("http:", "https:")
        async with before(url) as made:
            answer = await ask_gateway(made, stream=stream)
    assert_failed(answer, status=502, code="upstream_unreachable", message="TLS")
    assert "ssl" not in answer.body.decode().lower().replace("tls", "")


async def test_a_model_that_recovers_serves_again() -> None:
    async with stage("500", large=()) as made:
        await made.ask()
        made.server.rescript("v1", faults=[])
        assert (await made.ask()).headers["x-gateway-model"] == "v1"
