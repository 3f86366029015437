"""The simulated upstream speaks the protocol of vLLM's OpenAI server."""

import json
import math
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from serving.simulated.script import LogprobMode, ModelScript, ToolCall
from serving.simulated.upstream import SimulatedUpstream
from tests.fakes.simulated import simulated

ANSWERS = {"my money": '{"intent": "refund"}', "stop it": '{"intent": "cancel"}'}
SUPPORT = ModelScript(name="support", answers=ANSWERS)
TALKER = ModelScript(name="talker", text="one two three", tool_call=ToolCall(arguments='{"city": "Paris"}'))
TOOLS = [{"type": "function", "function": {"name": "weather"}}]


@pytest.fixture
async def server() -> AsyncIterator[SimulatedUpstream]:
    async with simulated([SUPPORT, TALKER]) as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


def chat(prompt: str, model: str = "support", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


async def whole(client: aiohttp.ClientSession, url: str, body: object) -> Any:
    async with client.post(url, json=body) as response:
        return await response.json()


async def events(client: aiohttp.ClientSession, url: str, body: object) -> list[Any]:
    """The data of each event, `[DONE]` as it is."""
    async with client.post(url, json=body) as response:
        assert response.content_type == "text/event-stream"
        blocks = (await response.text()).split("\n\n")
    assert blocks.pop() == ""
    texts = [block.removeprefix("data: ") for block in blocks]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


async def test_models_say_that_they_are_simulated(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{server.base_url}/models") as response:
        listed = await response.json()
        assert response.headers["server"] == "fallgate-simulated"
    assert {card["id"]: card["owned_by"] for card in listed["data"]} == dict.fromkeys(
        ("support", "talker"), "fallgate-simulated"
    )


async def test_a_whole_answer_has_every_field_that_vllm_writes(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    answer = await whole(client, f"{server.base_url}/chat/completions", chat("my money"))
    (choice,) = answer["choices"]
    assert answer["object"] == "chat.completion"
    assert choice["message"]["content"] == ANSWERS["my money"]
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] is None
    assert answer["usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": 6,
        "total_tokens": 8,
        "prompt_tokens_details": None,
    }


async def test_a_stream_opens_with_the_role_and_ends_with_finish_usage_and_done(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    body = chat("my money", stream=True, stream_options={"include_usage": True})
    role, *content, finish, usage, done = await events(client, f"{server.base_url}/chat/completions", body)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    pieces = [chunk["choices"][0]["delta"]["content"] for chunk in content]
    assert pieces == ['{"', "intent", '":', ' "', "refund", '"}']
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8}
    assert done == "[DONE]"


async def test_usage_is_not_streamed_unasked(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    chunks = await events(client, f"{server.base_url}/chat/completions", chat("my money", stream=True))
    assert not [chunk for chunk in chunks if chunk != "[DONE]" and "usage" in chunk]


@pytest.mark.parametrize("top", [0, 1, 5])
async def test_logprobs_are_the_same_streamed_and_whole_and_list_as_many_as_asked(
    server: SimulatedUpstream, client: aiohttp.ClientSession, top: int
) -> None:
    url = f"{server.base_url}/chat/completions"
    asked = chat("my money", logprobs=True, top_logprobs=top)
    answer = await whole(client, url, asked)
    chunks = await events(client, url, {**asked, "stream": True})
    entries = answer["choices"][0]["logprobs"]["content"]
    streamed = [
        entry
        for chunk in chunks[:-1]
        for choice in chunk["choices"]
        for entry in (choice["logprobs"] or {"content": []})["content"]
    ]
    assert entries == streamed
    assert "".join(entry["token"] for entry in entries) == ANSWERS["my money"]
    for entry in entries:
        assert bytes(entry["bytes"]).decode() == entry["token"]
        listed = [other["logprob"] for other in entry["top_logprobs"]]
        assert len(listed) == top
        assert listed == sorted(listed, reverse=True)
        assert sum(map(math.exp, listed)) <= 1 + 1e-9


@pytest.mark.parametrize(("mode", "expected"), [(LogprobMode.MISSING, None), (LogprobMode.ZERO, {0.0})])
async def test_logprobs_can_be_missing_or_all_zero(
    server: SimulatedUpstream, client: aiohttp.ClientSession, mode: LogprobMode, expected: object
) -> None:
    server.rescript("support", logprobs=mode)
    url = f"{server.base_url}/chat/completions"
    answer = await whole(client, url, chat("my money", logprobs=True, top_logprobs=2))
    logprobs = answer["choices"][0]["logprobs"]
    assert (logprobs and {entry["logprob"] for entry in logprobs["content"]}) == expected


async def test_an_answer_is_cut_at_the_limit_and_its_last_token_carries_the_finish(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    url = f"{server.base_url}/chat/completions"
    body = chat("hello", "talker", max_tokens=2, stream=True)
    *_, last, done = await events(client, url, body)
    assert last["choices"][0]["delta"] == {"content": " two"}
    assert last["choices"][0]["finish_reason"] == "length"
    assert done == "[DONE]"


async def test_an_end_token_is_counted_and_reported_with_the_finish(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    server.rescript("talker", end_token="<|im_end|>")
    body = chat("hello", "talker", logprobs=True, stream=True, stream_options={"include_usage": True})
    *_, finish, usage, _ = await events(client, f"{server.base_url}/chat/completions", body)
    (entry,) = finish["choices"][0]["logprobs"]["content"]
    assert entry["token"] == "<|im_end|>"
    assert usage["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_tool_call_answers_a_request_that_offers_tools(
    server: SimulatedUpstream, client: aiohttp.ClientSession, is_stream: bool
) -> None:
    url = f"{server.base_url}/chat/completions"
    body = chat("hello", "talker", tools=TOOLS, tool_choice="auto")
    if is_stream:
        chunks = await events(client, url, {**body, "stream": True})
        calls = [call for chunk in chunks[:-1] for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
        name = calls[0]["function"]["name"]
        arguments = "".join(call["function"]["arguments"] for call in calls)
        finish = chunks[-2]["choices"][0]["finish_reason"]
    else:
        (choice,) = (await whole(client, url, body))["choices"]
        function = choice["message"]["tool_calls"][0]["function"]
        name, arguments, finish = function["name"], function["arguments"], choice["finish_reason"]
    assert (name, arguments, finish) == ("weather", '{"city": "Paris"}', "tool_calls")


async def test_no_tool_is_called_when_the_request_forbids_it(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    body = chat("hello", "talker", tools=TOOLS, tool_choice="none")
    answer = await whole(client, f"{server.base_url}/chat/completions", body)
    assert answer["choices"][0]["message"]["content"] == "one two three"


async def test_completions_answer_in_their_own_shape(server: SimulatedUpstream, client: aiohttp.ClientSession) -> None:
    url = f"{server.base_url}/completions"
    body = {"model": "support", "prompt": "stop it", "logprobs": 2}
    answer = await whole(client, url, body)
    (choice,) = answer["choices"]
    scores = choice["logprobs"]
    assert answer["object"] == "text_completion"
    assert choice["text"] == "".join(scores["tokens"]) == ANSWERS["stop it"]
    assert scores["text_offset"] == [0, 2, 8, 10, 12, 18]
    assert [len(listed) for listed in scores["top_logprobs"]] == [2] * 6

    *chunks, finish, done = await events(client, url, {**body, "stream": True})
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == ANSWERS["stop it"]
    assert [chunk["choices"][0]["logprobs"]["text_offset"][0] for chunk in chunks] == scores["text_offset"]
    assert (finish["choices"][0]["finish_reason"], done) == ("stop", "[DONE]")


async def test_several_prompts_and_choices_give_as_many_answers(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    url = f"{server.base_url}/completions"
    answer = await whole(client, url, {"model": "support", "prompt": ["my money", "stop it"], "n": 2})
    texts = [choice["text"] for choice in answer["choices"]]
    assert texts == [ANSWERS["my money"]] * 2 + [ANSWERS["stop it"]] * 2
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]


async def test_the_request_id_becomes_the_id_of_the_answer(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    for path, prefix in (("chat/completions", "chatcmpl"), ("completions", "cmpl")):
        body = {**chat("my money"), "prompt": "my money"}
        async with client.post(f"{server.base_url}/{path}", json=body, headers={"X-Request-Id": "r-1"}) as response:
            assert (await response.json())["id"] == f"{prefix}-r-1"


@pytest.mark.parametrize(
    ("body", "status", "kind", "param"),
    [
        pytest.param(chat("hi", "nobody"), 404, "NotFoundError", "model", id="an unknown model"),
        pytest.param([1], 400, "BadRequestError", None, id="a body that is no object"),
        pytest.param({"model": "support", "messages": []}, 400, "BadRequestError", "messages", id="no message"),
        pytest.param(chat("hi", top_logprobs=2), 400, "BadRequestError", "top_logprobs", id="alternatives alone"),
        pytest.param(chat("hi", logprobs=True, top_logprobs=21), 400, "BadRequestError", "top_logprobs", id="too many"),
        pytest.param(chat("hi", max_tokens=0), 400, "BadRequestError", "max_tokens", id="no token allowed"),
        pytest.param(chat("hi", n=0), 400, "BadRequestError", "n", id="no choice"),
        pytest.param(chat("hi", temperature=-1), 400, "BadRequestError", "temperature", id="a negative temperature"),
        pytest.param(chat("hi", stream_options={}), 400, "BadRequestError", "stream_options", id="options alone"),
        pytest.param(chat("hi " * 5000), 400, "BadRequestError", "input_tokens", id="a prompt beyond the context"),
    ],
)
async def test_a_bad_request_is_refused_in_the_shape_of_vllm(
    server: SimulatedUpstream, client: aiohttp.ClientSession, body: object, status: int, kind: str, param: str | None
) -> None:
    async with client.post(f"{server.base_url}/chat/completions", json=body) as response:
        error = (await response.json())["error"]
        assert response.status == status
    assert (error["type"], error["param"], error["code"]) == (kind, param, status)
    assert error["message"]


async def test_other_paths_and_methods_answer_as_fastapi_does(
    server: SimulatedUpstream, client: aiohttp.ClientSession
) -> None:
    for method, path, status in (
        ("GET", "/health", 200),
        ("GET", "/version", 200),
        ("GET", "/v1/models/support", 200),
        ("GET", "/v1/models/nobody", 404),
        ("GET", "/v1/other", 404),
        ("GET", "/v1/chat/completions", 405),
    ):
        async with client.request(method, f"{server.root_url}{path}") as response:
            assert (path, response.status) == (path, status)
