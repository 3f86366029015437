"""Clients that leave: the upstream is stopped within a second, and nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.data import protocol
from routing.answer.policy import HOLD_FULL
from tests.fakes.asking import Stage, Wire, before, post, question, stage
from tests.fakes.gateways import Gateway, threshold
from tests.fakes.raw_upstream import END, HANG, STREAM_HEAD, delta, event, raw_upstream
from tests.gateway.exchange.expectations import BOTH

SLOW = {"tokens_per_second": 50.0}
DOUBTFUL: dict[str, Any] = {"confidence": threshold(minimum=0.99), "hold": HOLD_FULL}


@asynccontextmanager
async def leaving(made: Stage, **fields: Any) -> AsyncIterator[Wire]:
    """Ask, and leave at the end of the block; see that everybody notices."""
    async with Wire.to(made.gateway) as wire:
        wire.send(post(question(**fields)))
        yield wire
        wire.leave()
    await made.server.seen.until(lambda seen: not seen.in_flight and seen.clients_gone == 1, timeout_s=1)
    await made.server.seen.until(lambda seen: not seen.connections_open, timeout_s=3)
    await made.gateway.until_finished(1)
    assert made.gateway.begun == len(made.gateway.finished) == len(made.gateway.records.kept) == 1
    row, _ = made.gateway.records.kept[0]
    assert (made.last.outcome, row.outcome) == ("client_closed", "client_closed")
    labels = {"route": "support", "arm": "v1", "outcome": "client_closed"}
    models = ("none", "v1", "large")
    assert sum(made.gateway.metric("requests_total", model=model, **labels) for model in models) == 1


async def until_asked(made: Stage, model: str = "v1", times: int = 1) -> None:
    await made.server.seen.until(lambda seen: seen.models[model] == times)


@BOTH
@pytest.mark.parametrize("fault", ["hang", "headers_only_hang", "role_only_hang"])
async def test_cases_105_and_106_a_client_that_leaves_before_the_first_token(fault: str, stream: bool) -> None:
    async with stage(fault, large=()) as made:
        async with leaving(made, stream=stream):
            await until_asked(made)
        assert (made.results, made.last.status, made.calls("large")) == (["cancelled"], None, 0)


@pytest.mark.parametrize("fault", ["hang_during", "slow:300"])
async def test_case_106_a_client_that_leaves_in_the_middle_of_a_whole_answer(fault: str) -> None:
    async with stage(fault, large=()) as made:
        async with leaving(made):
            await until_asked(made)
        assert made.results == ["cancelled"]


async def test_case_107_a_client_that_leaves_in_mid_stream_is_billed_for_what_came() -> None:
    async with stage(large=(), v1=SLOW) as made:
        async with leaving(made, stream=True) as wire:
            await wire.until(b"parcel")
        assert made.results == ["cancelled"]
        row, (attempt,) = made.gateway.records.kept[0]
        assert row.status == 200
        assert (attempt.purpose, attempt.usage_estimated) == ("serve", True)
        assert attempt.output_tokens is not None
        assert 6 <= attempt.output_tokens < 20
        assert attempt.input_tokens


async def test_case_107_a_client_that_leaves_a_stream_in_its_hold() -> None:
    async with stage("hang_during:5", large=(), v1=SLOW, **DOUBTFUL) as made:
        async with leaving(made, stream=True):
            await made.server.seen.until(lambda seen: bool(seen.calls) and seen.calls[0].events == 6)
        _, (attempt,) = made.gateway.records.kept[0]
        assert (attempt.purpose, attempt.output_tokens) == ("draft", 5)


@BOTH
async def test_case_108_a_client_that_leaves_during_the_fallbacks_call(stream: bool) -> None:
    async with stage("500", large=["hang"]) as made:
        async with leaving(made, stream=stream):
            await until_asked(made, "large")
        assert made.results == ["error", "cancelled"]
        assert (made.calls("v1"), made.calls("large")) == (1, 1)


async def test_case_108_a_client_that_leaves_during_the_fallbacks_stream() -> None:
    async with stage("500", large=["slow:30"]) as made:
        async with leaving(made, stream=True) as wire:
            await wire.until(b"refund")
        assert made.results == ["error", "cancelled"]


@BOTH
async def test_case_108_after_a_client_has_left_no_further_model_is_asked(stream: bool) -> None:
    async with stage("hang", large=(), first_token_s=0.3, attempt_s=0.3) as made:
        async with leaving(made, stream=stream):
            await until_asked(made)
        assert made.gateway.server is not None
        assert not made.gateway.server.server_state.tasks  # so nobody is left who could ask
        assert made.calls("large") == 0


@BOTH
async def test_a_client_that_leaves_is_no_failure_of_the_model(stream: bool) -> None:
    async with stage("hang") as made:
        for count in range(1, 8):
            async with Wire.to(made.gateway) as wire:
                wire.send(post(question(stream=stream)))
                await until_asked(made, times=count)
            await made.gateway.until_finished(count)
        made.server.rescript("v1", faults=[])
        assert (await made.ask()).status == 200


@BOTH
async def test_case_110_two_hundred_departures_in_a_row_leave_nothing_behind(stream: bool) -> None:
    async with stage("hang", large=()) as made:
        for count in range(1, 201):
            async with Wire.to(made.gateway) as wire:
                wire.send(post(question(stream=stream)))
                await until_asked(made, times=count)
        await made.gateway.until_finished(200)
        await made.server.seen.until(lambda seen: not seen.in_flight and not seen.connections_open, timeout_s=1)
        assert {exchange.outcome for exchange in made.gateway.finished} == {"client_closed"}
        assert made.gateway.begun == len(made.gateway.finished) == 200
        assert made.gateway.server is not None
        assert not made.gateway.server.server_state.tasks
        made.server.rescript("v1", faults=[])
        assert (await made.ask(stream=stream)).status == 200


async def test_case_110_fifty_departures_at_once() -> None:
    async with stage("hang") as made:
        async with asyncio.TaskGroup() as group:
            connecting = [group.create_task(_asking(made.gateway)) for _ in range(50)]
        wires = [task.result() for task in connecting]
        await made.server.seen.until(lambda seen: seen.in_flight == 50)
        for wire in wires:
            wire.leave()
        await made.server.seen.until(lambda seen: not seen.in_flight, timeout_s=1)
        await made.gateway.until_finished(50)


async def _asking(made: Gateway) -> Wire:
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    wire = Wire(reader, writer)
    wire.send(post(question()))
    return wire


async def test_a_connection_that_is_closed_in_order_is_a_departure_too() -> None:
    async with stage("hang") as made, Wire.to(made.gateway) as wire:
        wire.send(post(question()))
        await until_asked(made)
        wire.close()
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)
        await made.gateway.until_finished(1)


async def test_case_109_a_reader_that_stops_reading_is_cut_off_and_fills_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "WRITE_TIMEOUT_S", 0.3)
    word = "x" * 60_000
    endless = [STREAM_HEAD, *([delta(word)] * 2000), HANG]
    async with raw_upstream(endless) as server, before(server.base_url) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port, limit=1024)
        writer.write(post(question(stream=True)))
        await reader.read(1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads
        await made.until_finished(1, timeout_s=10)
        await server.until_closed(1)
        assert made.last.outcome == "client_closed"
        usage = made.last.attempts[0].usage
        assert usage is not None
        assert usage.output < 1000  # what the buffers on the way hold, and not the whole of it
        writer.transport.abort()


async def test_a_slow_reader_gets_everything() -> None:
    words = [f"{number:06}" + "x" * 10_000 for number in range(300)]
    steps = [STREAM_HEAD, *(delta(word) for word in words), delta(finish="stop"), event("[DONE]"), END]
    async with raw_upstream(steps) as server, before(server.base_url) as made, Wire.to(made) as wire:
        wire.send(post(question(stream=True)))
        await server.until_asked(1)
        answer = await wire.answer()
        assert answer.text == "".join(words)
        assert made.last.outcome == "served"
