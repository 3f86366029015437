"""What the simulated upstream saw, and how it is changed, stopped and started while it runs."""

import asyncio
import json
from typing import Any

import aiohttp
import openai
import pytest

from serving.simulated.faults import Fault
from serving.simulated.script import ModelScript
from serving.simulated.seen import Ended, Seen
from tests.fakes.simulated import simulated, simulated_in_thread

PACED = ModelScript(name="paced", text="one two three four", tokens_per_second=100)
ENDLESS = ModelScript(name="endless", text="word " * 2000, tokens_per_second=200)


def chat(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}


async def post(client: aiohttp.ClientSession, url: str, body: object) -> Any:
    async with client.post(url, json=body) as response:
        return response.status, await response.json()


async def test_requests_are_kept_with_body_headers_and_connection() -> None:
    async with simulated() as server, aiohttp.ClientSession(headers={"x-mine": "1"}) as client:
        for _ in range(2):
            await post(client, f"{server.base_url}/chat/completions", chat("model", temperature=0.5))
        first, second = server.seen.requests
    assert first.body["temperature"] == 0.5
    assert first.headers["X-Mine"] == "1"
    assert first.path == "/v1/chat/completions"
    assert (first.connection, second.connection) == (1, 1)
    assert server.seen.connections_opened == 1
    assert server.seen.models == {"model": 2}
    assert server.seen.ends == {Ended.ANSWERED: 2}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_generation(stream: bool) -> None:
    async with simulated([ENDLESS]) as server, aiohttp.ClientSession() as client:
        async with asyncio.TaskGroup() as tasks:
            url = f"{server.base_url}/chat/completions"
            call = tasks.create_task(post(client, url, chat("endless", stream=stream)))
            await server.seen.until(lambda seen: seen.in_flight == 1 and (not stream or seen.calls[0].events > 3))
            call.cancel()
        await server.seen.until(lambda seen: seen.clients_gone == 1 and seen.in_flight == 0)
        assert server.seen.calls[0].ended is Ended.CLIENT_GONE
        assert server.seen.calls[0].events < 1000
        await server.seen.until(lambda seen: seen.connections_open == 0)


async def test_tokens_come_at_their_pace() -> None:
    async with simulated([PACED]) as server, aiohttp.ClientSession() as client:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await post(client, f"{server.base_url}/chat/completions", chat("paced"))
        assert loop.time() - start >= 0.03


async def test_jitter_moves_the_latency_of_a_prompt_always_by_the_same() -> None:
    from serving.simulated.asked import Endpoint, parse_asked
    from serving.simulated.planning import plan_answer

    script = ModelScript(name="m", latency_ms=100, tokens_per_second=10, jitter=0.5)
    plans = [
        plan_answer(script, parse_asked(Endpoint.COMPLETIONS, {"prompt": f"p{number}"}, "r"))
        for number in [*range(50), *range(50)]
    ]
    latencies = [plan.latency_s for plan in plans]
    assert latencies[:50] == latencies[50:]
    assert 0.05 <= min(latencies) < 0.07
    assert 0.13 < max(latencies) <= 0.15
    assert {round(plan.gap_s / plan.latency_s, 6) for plan in plans} == {1.0}


async def test_until_tells_what_was_seen_when_it_gives_up() -> None:
    async with simulated() as server:
        with pytest.raises(TimeoutError, match="the simulated upstream saw"):
            await server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=0.01)


async def test_forgetting_starts_the_counts_anew() -> None:
    async with simulated() as server, aiohttp.ClientSession() as client:
        await post(client, f"{server.base_url}/chat/completions", chat("model"))
        server.seen.forget()
        await post(client, f"{server.base_url}/chat/completions", chat("model"))
        assert server.seen.models == {"model": 1}
        assert server.seen.requests[0].connection == 1


def test_only_the_latest_calls_are_kept() -> None:
    assert Seen(keep=3).calls.maxlen == 3


async def test_a_stopped_server_refuses_connections_until_it_is_started_again() -> None:
    fresh = aiohttp.TCPConnector(force_close=True)
    async with simulated() as server, aiohttp.ClientSession(connector=fresh) as client:
        url, port = f"{server.base_url}/chat/completions", server.port
        await post(client, url, chat("model"))
        await server.stop()
        with pytest.raises(aiohttp.ClientConnectorError):
            await post(client, url, chat("model"))
        await server.start(port=port)
        assert (await post(client, url, chat("model")))[0] == 200


async def test_a_stop_ends_what_hangs() -> None:
    async with simulated() as server, aiohttp.ClientSession() as client:
        server.rescript("model", faults=["hang"])

        async def call_in_vain() -> None:
            with pytest.raises(aiohttp.ClientError):
                await post(client, f"{server.base_url}/chat/completions", chat("model"))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call_in_vain())
            await server.seen.until(lambda seen: seen.in_flight == 1)
            await server.stop()
        assert server.seen.ends == {Ended.STOPPED: 1}


async def test_a_script_changes_while_the_server_runs() -> None:
    async with simulated([ModelScript(name="org/model", text="before")]) as server, aiohttp.ClientSession() as client:
        patch = f"{server.root_url}/simulate/models/org/model"
        url = f"{server.base_url}/chat/completions"
        status, script = await post(client, patch, {"faults": ["429:7"], "text": "after", "latency_ms": 1})
        assert (status, script["faults"], script["text"]) == (200, ["429:7"], "after")
        assert server.models["org/model"].faults == (Fault.parse("429:7"),)
        assert (await post(client, url, chat("org/model")))[0] == 429
        await post(client, patch, {"faults": None})
        status, answer = await post(client, url, chat("org/model"))
        assert answer["choices"][0]["message"]["content"] == "after"
        async with client.get(patch) as response:
            assert (await response.json())["latency_ms"] == 1


@pytest.mark.parametrize(
    ("name", "patch", "status", "sentence"),
    [
        ("nobody", {}, 404, "does not exist"),
        ("model", {"latency_ms": "soon"}, 400, "latency_ms: Expected `float`"),
        ("model", {"faults": ["meltdown"]}, 400, "there is no fault 'meltdown'"),
        ("model", {"accuracy": 2}, 400, "accuracy must be from 0 to 1"),
        ("model", {"answers": "other.jsonl"}, 400, "cannot be changed at run time"),
        ("model", {"colour": "red"}, 400, "unknown: colour"),
        ("model", [], 400, "must be a JSON object"),
    ],
)
async def test_a_wrong_change_is_refused_and_changes_nothing(
    name: str, patch: object, status: int, sentence: str
) -> None:
    async with simulated() as server, aiohttp.ClientSession() as client:
        before = server.models["model"]
        got, body = await post(client, f"{server.root_url}/simulate/models/{name}", patch)
        assert (got, sentence in body["error"]["message"]) == (status, True)
        assert server.models["model"] == before


async def test_a_fault_in_the_header_strikes_one_request() -> None:
    async with simulated() as server, aiohttp.ClientSession() as client:
        url = f"{server.base_url}/chat/completions"
        async with client.post(url, json=chat("model"), headers={"x-simulate-fault": "503"}) as response:
            assert response.status == 503
        assert (await post(client, url, chat("model")))[0] == 200
        server.rescript("model", faults=["503"])
        async with client.post(url, json=chat("model"), headers={"x-simulate-fault": "none"}) as response:
            assert response.status == 200
        assert [call.fault for call in server.seen.calls] == ["status", None, "none"]


async def test_the_counts_can_be_asked_for_over_http() -> None:
    async with simulated() as server, aiohttp.ClientSession() as client:
        await post(client, f"{server.base_url}/chat/completions", chat("model"))
        async with client.get(f"{server.root_url}/simulate/seen") as response:
            seen = await response.json()
    assert (seen["requests"], seen["ends"], seen["connections_open"]) == (1, {"answered": 1}, 1)


async def test_the_async_openai_client_reads_answers_and_streams() -> None:
    async with simulated([PACED]) as server, openai.AsyncOpenAI(base_url=server.base_url, api_key="unused") as client:
        answer = await client.chat.completions.create(
            model="paced", messages=[{"role": "user", "content": "hello"}], logprobs=True, top_logprobs=2
        )
        assert answer.choices[0].message.content == PACED.text
        stream = await client.chat.completions.create(
            model="paced",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 4
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text == PACED.text
        completion = await client.completions.create(model="paced", prompt="hello", logprobs=1)
        assert completion.choices[0].text == PACED.text


def test_a_blocking_client_talks_to_a_server_in_a_thread() -> None:
    with simulated_in_thread([PACED]) as threaded:
        with openai.OpenAI(base_url=threaded.base_url, api_key="unused") as client:
            assert [model.owned_by for model in client.models.list()] == ["fallgate-simulated"]
            answer = client.chat.completions.create(model="paced", messages=[{"role": "user", "content": "hello"}])
            assert answer.choices[0].message.content == PACED.text
        threaded.until(lambda seen: seen.ends[Ended.ANSWERED] == 1)


async def test_running_usage_grows_with_the_stream() -> None:
    async with simulated([ModelScript(name="m", text="one two")]) as server, aiohttp.ClientSession() as client:
        options = {"include_usage": True, "continuous_usage_stats": True}
        body = chat("m", stream=True, stream_options=options)
        async with client.post(f"{server.base_url}/chat/completions", json=body) as response:
            lines = (await response.text()).split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [0, 1, 2, 2, 2]
