"""The official client, sync and async, against the data plane, unchanged."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.fakes.asking import ARM_TEXT, LARGE_TEXT, Stage, stage
from tests.fakes.gateways import NARROW_SECRET, OPERATOR_SECRET, SECRET

MESSAGES: list[Any] = [{"role": "user", "content": "where is my parcel?"}]


@pytest.fixture
async def made() -> AsyncIterator[Stage]:
    async with stage(large=(), v1={"prompt_tokens": 11, "completion_tokens": 22}) as made:
        yield made


@asynccontextmanager
async def asking(made: Stage, key: str = SECRET, retries: int = 0) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{made.gateway.url}/v1", api_key=key, max_retries=retries) as client:
        yield client


@contextmanager
def blocking(made: Stage) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{made.gateway.url}/v1", api_key=SECRET, max_retries=0) as client:
        yield client


async def test_chat_async(made: Stage) -> None:
    async with asking(made) as client:
        answer = await client.chat.completions.create(model="support", messages=MESSAGES)
        assert answer.choices[0].message.content == ARM_TEXT
        assert answer.choices[0].finish_reason == "stop"
        assert answer.choices[0].logprobs is None
        assert answer._request_id == made.last.head.request_id
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 22)
        assert answer.model == "v1"


async def test_chat_streamed_async(made: Stage) -> None:
    async with asking(made) as client:
        stream = await client.chat.completions.create(
            model="support", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ARM_TEXT
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == 22
        assert stream.response.headers["x-gateway-model"] == "v1"
        assert len({chunk.id for chunk in chunks}) == 1


async def test_chat_with_log_probabilities(made: Stage) -> None:
    async with asking(made) as client:
        answer = await client.chat.completions.create(model="support", messages=MESSAGES, logprobs=True, top_logprobs=2)
        assert answer.choices[0].logprobs is not None
        assert answer.choices[0].logprobs.content is not None
        assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2


async def test_the_streaming_helper(made: Stage) -> None:
    async with asking(made) as client, client.chat.completions.stream(model="support", messages=MESSAGES) as stream:
        final = await stream.get_final_completion()
        assert final.choices[0].message.content == ARM_TEXT


async def test_text_completions_async(made: Stage) -> None:
    async with asking(made) as client:
        answer = await client.completions.create(model="support", prompt="where?", max_tokens=100)
        assert answer.choices[0].text == ARM_TEXT
        stream = await client.completions.create(model="support", prompt="where?", max_tokens=100, stream=True)
        assert "".join([chunk.choices[0].text async for chunk in stream]) == ARM_TEXT


async def test_models_async(made: Stage) -> None:
    async with asking(made) as client:
        assert [model.id async for model in client.models.list()] == ["support"]
        assert (await client.models.retrieve("support")).owned_by == "fallgate"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("gpt-4o")
        assert caught.value.code == "model_not_found"


async def test_everything_blocking(made: Stage) -> None:
    def everything() -> None:
        with blocking(made) as client:
            answer = client.chat.completions.create(model="support", messages=MESSAGES)
            assert answer.choices[0].message.content == ARM_TEXT
            assert answer._request_id
            chunks = client.chat.completions.create(model="support", messages=MESSAGES, stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ARM_TEXT
            text = client.completions.create(model="support", prompt="where?", max_tokens=100)
            assert text.choices[0].text == ARM_TEXT
            texts = client.completions.create(model="support", prompt="where?", max_tokens=100, stream=True)
            assert "".join(chunk.choices[0].text for chunk in texts) == ARM_TEXT
            assert [model.id for model in client.models.list()] == ["support"]
            assert client.models.retrieve("support").id == "support"
            with pytest.raises(openai.NotFoundError):
                client.embeddings.create(model="support", input="x")

    await asyncio.to_thread(everything)


async def test_a_raw_answer_shows_the_headers(made: Stage) -> None:
    made.server.rescript("v1", faults=["500"])
    async with asking(made) as client:
        raw = await client.chat.completions.with_raw_response.create(model="support", messages=MESSAGES)
        assert raw.headers["x-gateway-fallback"] == "error"
        assert raw.parse().choices[0].message.content == LARGE_TEXT


REFUSALS: tuple[tuple[dict[str, Any], str, type[openai.APIStatusError], str | None], ...] = (
    ({}, "a-wrong-key-of-nobody", openai.AuthenticationError, "invalid_api_key"),
    ({}, OPERATOR_SECRET, openai.PermissionDeniedError, "insufficient_scope"),
    ({}, NARROW_SECRET, openai.NotFoundError, "model_not_found"),
    ({"model": "nope"}, SECRET, openai.NotFoundError, "model_not_found"),
    ({"n": 0}, SECRET, openai.BadRequestError, None),
    ({"messages": []}, SECRET, openai.BadRequestError, None),
    ({"extra_body": {"api_key": "x"}}, SECRET, openai.BadRequestError, None),
)


@pytest.mark.parametrize("stream", [False, True])
async def test_errors_are_typed(made: Stage, stream: bool) -> None:
    for changes, key, error, code in REFUSALS:
        fields = {"model": "support", "messages": MESSAGES, "stream": stream, **changes}
        async with asking(made, key) as client:
            with pytest.raises(error) as caught:
                await client.chat.completions.create(**fields)
        assert caught.value.code == code
        assert caught.value.request_id
        assert caught.value.type


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("500", openai.InternalServerError, "upstream_error"),
        ("429:1", openai.RateLimitError, "rate_limit_exceeded"),
        ("400", openai.BadRequestError, None),
        ("422", openai.UnprocessableEntityError, None),
        ("401", openai.InternalServerError, "upstream_auth_error"),
    ],
)
async def test_an_upstreams_errors_are_typed(fault: str, error: type[openai.APIStatusError], code: str | None) -> None:
    async with stage(fault) as made, asking(made) as client:
        with pytest.raises(error) as caught:
            await client.chat.completions.create(model="support", messages=MESSAGES)
        assert caught.value.code == code


@pytest.mark.parametrize("fault", ["cut:3", "early_end:3", "abort:3", "garbage:3", "error_event:3"])
async def test_cases_86_to_90_a_broken_stream_is_an_error_for_the_client(fault: str) -> None:
    async with stage(fault, v1={"tokens_per_second": 2000.0}) as made, asking(made) as client:
        stream = await client.chat.completions.create(model="support", messages=MESSAGES, stream=True)
        said = ""

        async def listen() -> None:
            nonlocal said
            async for chunk in stream:
                said += chunk.choices[0].delta.content or ""

        with pytest.raises(openai.APIError) as caught:
            await listen()
        assert ARM_TEXT.startswith(said)
        assert said
        assert caught.value.code is not None
        assert caught.value.code.startswith("upstream_")


async def test_the_clients_own_retries_are_not_multiplied() -> None:
    async with stage("500", large=["500"]) as made, asking(made, retries=2) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="support", messages=MESSAGES)
        assert (made.calls("v1"), made.calls("large")) == (1, 1)
