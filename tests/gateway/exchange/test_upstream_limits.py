"""Upstreams that limit the gateway's rate, and models that are left alone for a while."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gateway.clock import now_us
from gateway.data.live import LiveModel
from routing.resilience.breaker import Breaker, BreakerRule
from routing.words import ModelName
from serving.simulated.script import ModelScript
from tests.fakes.asking import Stage, ask, stage
from tests.fakes.gateways import document, gateway, route
from tests.fakes.simulated import simulated
from tests.gateway.exchange.expectations import BOTH, assert_failed, assert_replaced


def quicken(made: Stage, model: str, rule: BreakerRule) -> None:
    """Give a model a breaker of another rule."""
    assert made.gateway.live is not None
    live: LiveModel = made.gateway.live.models[ModelName(model)]
    live.upstream.breaker = Breaker(rule)


@BOTH
async def test_case_73_a_429_cools_the_model_down_and_the_fallback_answers(stream: bool) -> None:
    async with stage("429:30", large=()) as made:
        assert_replaced(made, await made.ask(stream=stream), reason="unavailable", result="unavailable")
        answer = await made.ask(stream=stream)
        assert (answer.headers["x-gateway-model"], answer.headers["x-gateway-fallback"]) == ("large", "unavailable")
        assert (made.calls("v1"), made.calls("large")) == (1, 2)
        assert made.results == ["unavailable", "completed"]


@BOTH
async def test_case_73_when_all_are_limited_the_client_gets_a_429_and_the_shortest_wait(stream: bool) -> None:
    async with stage("429:30", large=["429:7"]) as made:
        answer = await made.ask(stream=stream)
        assert_failed(answer, status=429, code="rate_limit_exceeded", type="rate_limit_error")
        assert answer.headers["retry-after"] == "7"
        assert "x-should-retry" not in answer.headers
        assert (made.last.outcome, made.results) == ("failed", ["unavailable", "unavailable"])
    async with stage("429:5", large=["429:70"]) as made:
        assert (await made.ask(stream=stream)).headers["retry-after"] == "5"


async def test_case_73_a_429_falls_back_also_where_only_doubt_does() -> None:
    async with stage("429:30", large=(), when=()) as made:
        assert_replaced(made, await made.ask(), reason="unavailable", result="unavailable")


@BOTH
@pytest.mark.parametrize(
    ("value", "wait"),
    [
        pytest.param("soon", None, id="garbage"),
        pytest.param("-5", "1", id="negative"),
        pytest.param("1e9", "120", id="enormous"),
        pytest.param("nan", None, id="nan"),
        pytest.param("inf", None, id="infinite"),
        pytest.param(
            format_datetime(datetime.fromtimestamp(now_us() / 1e6, UTC) + timedelta(hours=9), usegmt=True),
            "120",
            id="date",
        ),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", "1", id="date in the past"),
        pytest.param("Wed, 99 Oct 99999 99:99:99 GMT", None, id="no date"),
        pytest.param("٣", None, id="not ascii"),
    ],
)
async def test_case_74_any_retry_after_is_understood_or_ignored(value: str, wait: str | None, stream: bool) -> None:
    async with stage(f"bad_retry_after:{value}") as made:
        answer = await made.ask(stream=stream)
        assert_failed(answer, status=429, code="rate_limit_exceeded", type="rate_limit_error")
        assert answer.headers.get("retry-after") == wait


@BOTH
async def test_five_failures_in_a_row_open_the_breaker_and_the_fallback_answers_without_a_call(stream: bool) -> None:
    async with stage("500", large=()) as made:
        for _ in range(5):
            assert (await made.ask(stream=stream)).headers["x-gateway-fallback"] == "error"
        answer = await made.ask(stream=stream)
        assert (answer.status, answer.headers["x-gateway-fallback"]) == (200, "unavailable")
        assert answer.headers["x-gateway-attempts"] == "2"
        assert (made.calls("v1"), made.calls("large")) == (5, 6)
        assert made.results == ["unavailable", "completed"]
        _, attempts = made.gateway.records.kept[-1]
        assert (attempts[0].cost_nanousd, attempts[0].input_tokens) == (0, None)


async def test_a_success_between_failures_keeps_the_breaker_closed() -> None:
    async with stage("500", large=()) as made:
        for fault in (["500"] * 4 + ["none"]) * 3:
            made.server.rescript("v1", faults=[fault])
            await made.ask()
        assert made.calls("v1") == 15


@pytest.mark.parametrize(("faults", "model"), [([], "v1"), (["500"], "large")], ids=["well", "still ill"])
async def test_after_its_time_one_probe_goes_through_and_decides(faults: list[str], model: str) -> None:
    async with stage("500", large=()) as made:
        quicken(made, "v1", BreakerRule(failures=2, open_s=0.05))
        for _ in range(2):
            await made.ask()
        made.server.rescript("v1", faults=faults)
        while made.calls("v1") == 2:
            await made.ask()
        assert made.calls("v1") == 3
        assert made.gateway.last.served is not None
        assert made.gateway.last.served.model == model
        made.server.rescript("v1", faults=[])
        await made.ask()
        assert made.calls("v1") == (4 if model == "v1" else 3)


async def test_a_probe_whose_client_leaves_lets_the_next_request_probe() -> None:
    async with stage("500", large=()) as made:
        quicken(made, "v1", BreakerRule(failures=1, open_s=0.0))
        await made.ask()
        made.server.rescript("v1", faults=["hang"])
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask(made.gateway))
            await made.server.seen.until(lambda seen: seen.in_flight == 1)
            asking.cancel()
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)
        made.server.rescript("v1", faults=[])
        assert (await made.ask()).headers["x-gateway-model"] == "v1"


@BOTH
async def test_case_99_when_no_model_may_be_asked_the_client_learns_when_to_come_back(stream: bool) -> None:
    async with stage("500", large=["500"]) as made:
        for _ in range(5):
            await made.ask(stream=stream)
        answer = await made.ask(stream=stream)
        assert_failed(answer, status=503, code="no_healthy_upstream", type="service_unavailable_error")
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert "x-should-retry" not in answer.headers
        assert (made.calls("v1"), made.calls("large")) == (5, 5)
        assert (made.last.outcome, made.results) == ("failed", ["unavailable", "unavailable"])


async def test_a_model_that_is_switched_off_is_not_asked() -> None:
    async with stage(large=(), v1_entry={"is_enabled": False}) as made:
        assert_replaced(made, await made.ask(), reason="unavailable", result="unavailable")
        assert made.calls("v1") == 0
    async with stage(v1_entry={"is_enabled": False}) as made:
        assert_failed(
            await made.ask(), status=503, code="no_healthy_upstream", type="service_unavailable_error", message="off"
        )


async def test_a_new_snapshot_keeps_the_breaker_of_a_model_that_stayed_where_it_is() -> None:
    async with simulated([ModelScript(name="v1"), ModelScript(name="large")]) as server:
        server.rescript("v1", faults=["429:60"])
        what = document(server.base_url, {"support": route({"v1": 10000}, to="large")})
        async with gateway(what) as made:
            await ask(made)
            made.publish(what, revision=2)
            answer = await ask(made)
            assert (answer.headers["x-gateway-revision"], answer.headers["x-gateway-fallback"]) == ("2", "unavailable")
            assert server.seen.models["v1"] == 1
