"""A gateway that is told to end: what is in flight finishes in its time, and what does not learns why."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from routing.answer.policy import HOLD_FULL
from tests.fakes.asking import ARM_TEXT, Stage, Wire, client, post, question, stage
from tests.fakes.gateways import HEADERS, threshold
from tests.gateway.exchange.expectations import BOTH

SLOW = {"tokens_per_second": 60.0}


def tell_to_end(made: Stage) -> None:
    assert made.gateway.server is not None
    made.gateway.server.handle_exit(signal.SIGTERM, None)


@asynccontextmanager
async def until_ended(drain_s: float, *faults: str, **options: object) -> AsyncIterator[tuple[Stage, list[float]]]:
    """A gateway that takes that long to drain. The list holds the seconds it took to end, once it has."""
    took_s: list[float] = []
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    async with stage(*faults, drain_s=drain_s, **options) as made:  # type: ignore[arg-type]
        yield made, took_s
        started_s = loop.time()
    took_s.append(loop.time() - started_s)


async def test_with_nothing_in_flight_it_ends_within_two_seconds_idle_connections_or_not() -> None:
    async with until_ended(30) as (made, took_s), Wire.to(made.gateway) as fresh, Wire.to(made.gateway) as idle:
        idle.send(post(question()))
        assert (await idle.answer()).status == 200
        tell_to_end(made)
        assert await idle.rest() == b""
        assert await fresh.rest() == b""
    assert took_s[0] < 2


async def test_readiness_goes_off_at_once_and_liveness_stays() -> None:
    async with stage(drain_s=5) as made, client(made.gateway) as asking:
        assert (await asking.get("/readyz")).status_code == 200
        tell_to_end(made)
        ready = await asking.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")


@BOTH
async def test_what_is_in_flight_finishes_within_the_time(stream: bool) -> None:
    async with until_ended(10, v1=SLOW) as (made, took_s), Wire.to(made.gateway) as wire:
        wire.send(post(question(stream=stream)))
        await made.server.seen.until(lambda seen: seen.in_flight == 1)
        tell_to_end(made)
        answer = await wire.answer()
        assert answer.text == ARM_TEXT
        assert not stream or answer.payloads[-1] == "[DONE]"
        assert await wire.rest() == b""
        await made.gateway.until_finished(1)
        assert made.last.outcome == "served"
    assert took_s[0] < 2


async def test_case_111_ten_streams_finish() -> None:
    async with stage(v1=SLOW, drain_s=10) as made:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(made.ask(stream=True)) for _ in range(10)]
            await made.server.seen.until(lambda seen: seen.in_flight == 10)
            tell_to_end(made)
        assert [task.result().text for task in asking] == [ARM_TEXT] * 10
        assert len(made.gateway.records.kept) == 10


async def test_case_112_a_stream_that_outlasts_the_time_ends_with_an_error_event() -> None:
    async with until_ended(1, "hang_during:3", v1=SLOW) as (made, took_s), Wire.to(made.gateway) as wire:
        wire.send(post(question(stream=True)))
        await wire.until(b"text/event-stream")
        await wire.until(b"\r\n\r\n")
        tell_to_end(made)
        rest = await wire.rest()
        assert rest.count(b"[DONE]") == 1
        assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert b'"code":"server_shutting_down"' in rest
        await made.gateway.until_finished(1)
        assert (made.last.outcome, made.last.status, made.results) == ("interrupted", 200, ["cancelled"])
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)
    assert took_s[0] < 5


@pytest.mark.parametrize("held", [False, True], ids=["whole", "a stream in its hold"])
async def test_case_112_what_nobody_has_seen_yet_becomes_a_503(held: bool) -> None:
    options = {"confidence": threshold(), "hold": HOLD_FULL} if held else {}
    async with stage("hang_during:3", large=(), drain_s=1, **options) as made, Wire.to(made.gateway) as wire:  # type: ignore[arg-type]
        wire.send(post(question(stream=held)))
        await made.server.seen.until(lambda seen: seen.in_flight == 1)
        tell_to_end(made)
        answer = await wire.answer()
        assert (answer.status, answer.error["code"]) == (503, "server_shutting_down")
        assert (answer.error["type"], answer.headers["retry-after"]) == ("service_unavailable_error", "1")
        assert len(answer.headers["x-request-id"]) == 36
        await made.gateway.until_finished(1)
        assert (made.last.outcome, made.last.status, made.results) == ("failed", 503, ["cancelled"])
        assert made.calls("large") == 0


async def test_case_112_a_request_whose_body_is_still_coming_becomes_a_503() -> None:
    async with stage(drain_s=1) as made, Wire.to(made.gateway) as wire:
        wire.send(post(question())[:-3])
        async with asyncio.timeout(5):
            assert made.gateway.server is not None
            while not made.gateway.server.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0)
        tell_to_end(made)
        answer = await wire.answer()
        assert (answer.status, answer.error["code"]) == (503, "server_shutting_down")
        assert HEADERS["authorization"] not in answer.body.decode()


async def test_a_new_connection_is_refused_once_it_has_been_told() -> None:
    async with stage("hang_during", drain_s=1) as made, Wire.to(made.gateway) as wire:
        wire.send(post(question()))
        await made.server.seen.until(lambda seen: seen.in_flight == 1)
        tell_to_end(made)
        async with asyncio.timeout(5):
            while True:
                try:
                    async with Wire.to(made.gateway):
                        await asyncio.sleep(0)
                except ConnectionRefusedError:
                    break
                except ConnectionResetError:
                    continue  # it was waiting to be taken when the gateway stopped taking
        assert (await wire.answer()).status == 503
