"""What must hold whatever the models do: one model's text, no silent end, nothing of a draft, honest accounts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.answer.policy import HOLD_FULL, HOLD_NONE, HoldWindow
from serving.simulated.script import LogprobMode, ToolCall
from tests.fakes.asking import CHAT, TEXT, Answer, Stage, stage
from tests.fakes.gateways import threshold

ARM_WORDS = " ".join(f"alpha{number}" for number in range(24))
LARGE_WORDS = " ".join(f"omega{number}" for number in range(24))

FAULTS = st.sampled_from(
    [
        *("none", "none", "none", "refuse", "close_reused", "429:0", "500", "404", "html", "empty", "error_in_200"),
        *("error_first_event", "error_event", "error_event:0", "error_event:20", "cut", "cut:0", "cut:20", "early_end"),
        *("early_end:0", "early_end:23", "garbage", "garbage:0", "abort", "abort:0", "empty_answer", "refusal"),
        *("content_filter", "content_filter:20", "no_choices", "no_usage", "negative_usage", "duplicate_usage"),
        *("after_done", "ragged", "ragged:1", "odd_framing:cr", "odd_framing:lf", "odd_framing:crlf", "400"),
    ]
)
HOLDS = st.sampled_from([HOLD_NONE, HOLD_FULL, HoldWindow(tokens=16, ms=None), HoldWindow(tokens=4, ms=1)])
ARM_LOGPROBS = st.sampled_from([-0.05, -3.0])


@asynccontextmanager
async def scene(draw: dict[str, Any]) -> AsyncIterator[Stage]:
    v1 = {"text": ARM_WORDS, "right_logprob": draw["logprob"], "logprobs": draw["logprobs"]}
    v1["tokens_per_second"] = draw["pace"]
    acting = {"confidence": threshold(minimum=0.5), "hold": draw["hold"]}
    large = [draw["large"]] if draw["has_fallback"] else None
    async with stage(draw["v1"], large=large, v1=v1, **acting) as made:
        made.server.rescript("large", text=LARGE_WORDS, tokens_per_second=draw["pace"])
        yield made


def assert_one_answer(answer: Answer, *, stream: bool) -> None:
    """Exactly one model's text, from its start, with an end that says what it is."""
    if answer.status != 200:
        assert answer.error
        return
    text = answer.text
    assert ARM_WORDS.startswith(text) or LARGE_WORDS.startswith(text)
    if not stream:
        return
    assert answer.payloads[-1] == "[DONE]"
    assert answer.payloads.count("[DONE]") == 1
    if answer.finish_reasons:
        assert len(answer.finish_reasons) == 1
        assert "abort" not in answer.finish_reasons
        assert not any('"error"' in payload for payload in answer.payloads)
        # A model that filters its own answer says so, and so does one that refuses; all others finish it.
        assert text in (ARM_WORDS, LARGE_WORDS, "") or answer.finish_reasons == ["content_filter"]
    else:
        assert answer.last_error["code"]


def assert_accounts_add_up(made: Stage, answer: Answer) -> None:
    """What the client was told, the record and the counters are the same story."""
    row, attempts = made.gateway.records.kept[-1]
    assert (row.status, row.outcome) == (answer.status, made.last.outcome)
    assert row.attempts == len(attempts) == int(answer.headers["x-gateway-attempts"])
    assert (answer.headers.get("x-gateway-fallback") is not None) == (
        made.last.reason is not None and answer.status == 200 and "x-gateway-degraded" not in answer.headers
    )
    served = [attempt for attempt in attempts if attempt.purpose != "draft"]
    assert [attempt.model for attempt in served] == (
        [] if answer.status != 200 else [answer.headers["x-gateway-model"]]
    )
    assert made.gateway.begun == len(made.gateway.finished) == len(made.gateway.records.kept)
    for attempt in attempts:
        labels = {"route": "support", "model": attempt.model, "result": str(attempt.result)}
        mine = [each for _, rows in made.gateway.records.kept for each in rows]
        count = sum((each.model, each.result) == (attempt.model, attempt.result) for each in mine)
        assert made.gateway.metric("attempts_total", **labels) == count


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    draw=st.fixed_dictionaries(
        {
            "v1": FAULTS,
            "large": FAULTS,
            "has_fallback": st.booleans(),
            "hold": HOLDS,
            "logprob": ARM_LOGPROBS,
            "logprobs": st.sampled_from(list(LogprobMode)),
            "pace": st.sampled_from([None, 5000.0]),
        }
    ),
    stream=st.booleans(),
    path=st.sampled_from([CHAT, CHAT, TEXT]),
)
async def test_a_client_sees_one_models_text_and_an_end_that_says_what_it_is(
    draw: dict[str, Any], stream: bool, path: str
) -> None:
    async with scene(draw) as made:
        for _ in range(2):  # also over the connection of the first
            answer = await made.ask(path, stream=stream)
            assert_one_answer(answer, stream=stream)
            assert_accounts_add_up(made, answer)


@pytest.mark.parametrize("large", ["none", "500"])
async def test_no_word_of_an_abandoned_draft_ever_leaks(large: str) -> None:
    unsure = {"text": ARM_WORDS, "right_logprob": -3.0, "tokens_per_second": 3000.0}
    async with stage(large=[large], v1=unsure, confidence=threshold(), hold=HoldWindow(tokens=8, ms=None)) as made:
        answer = await made.ask(stream=True)
        assert b"alpha" not in answer.body
        assert "alpha" not in str(answer.headers)


@pytest.mark.parametrize("asked", [{}, {"logprobs": False}, {"logprobs": True}, {"logprobs": True, "top_logprobs": 3}])
@pytest.mark.parametrize("stream", [False, True])
async def test_log_probabilities_are_shown_to_whom_asked_and_to_nobody_else(
    asked: dict[str, Any], stream: bool
) -> None:
    async with stage() as made:
        answer = await made.ask(stream=stream, **asked)
        assert made.server.seen.requests[0].body["logprobs"] is True
        judgement = made.last.arm_judgement
        assert judgement is not None
        assert judgement.score == pytest.approx(0.9512, abs=1e-3)
        bodies = answer.chunks if stream else [answer.json]
        shown = [choice["logprobs"] for body in bodies for choice in body["choices"]]
        entries = [entry for each in shown if each for entry in each["content"]]
        if asked.get("logprobs"):
            assert len(entries) > 20
            assert {len(entry["top_logprobs"]) for entry in entries} == {asked.get("top_logprobs", 0)}
        else:
            assert not entries
            assert b'"logprob"' not in answer.body


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}])
@pytest.mark.parametrize("path", [CHAT, TEXT])
async def test_the_usage_of_a_stream_is_always_known_and_shown_to_whom_asked(
    options: dict[str, bool] | None, path: str
) -> None:
    async with stage(v1={"prompt_tokens": 11, "completion_tokens": 22}) as made:
        more: dict[str, Any] = {} if options is None else {"stream_options": options}
        answer = await made.ask(path, stream=True, **more)
        assert made.server.seen.requests[0].body["stream_options"]["include_usage"] is True
        chunks = [chunk for chunk in answer.chunks if chunk.get("usage")]
        if options == {"include_usage": True}:
            (chunk,) = chunks
            assert (chunk["choices"], chunk["usage"]["prompt_tokens"]) == ([], 11)
        else:
            assert not chunks
            assert all(chunk["choices"] for chunk in answer.chunks)
        _, (attempt,) = made.gateway.records.kept[-1]
        assert (attempt.input_tokens, attempt.output_tokens, attempt.usage_estimated) == (11, 22, False)


async def test_stream_options_of_a_whole_answer_are_dropped() -> None:
    async with stage() as made:
        assert (await made.ask(stream_options={"include_usage": True})).status == 200
        assert "stream_options" not in made.server.seen.requests[0].body


@pytest.mark.parametrize(
    ("fault", "is_estimated", "output"), [("no_usage", True, None), ("duplicate_usage", False, 22)]
)
async def test_cases_94_and_95_missing_usage_is_estimated_and_of_two_the_last_counts(
    fault: str, is_estimated: bool, output: int | None
) -> None:
    async with stage(fault, v1={"text": ARM_WORDS, "prompt_tokens": 11, "completion_tokens": 22}) as made:
        await made.ask(stream=True)
        _, (attempt,) = made.gateway.records.kept[-1]
        assert attempt.usage_estimated is is_estimated
        assert attempt.output_tokens == (output or 24)  # the content tokens that were seen


async def test_case_95_usage_in_every_chunk_is_counted_once() -> None:
    async with stage(v1={"prompt_tokens": 11, "completion_tokens": 22}) as made:
        await made.ask(stream=True, stream_options={"include_usage": True, "continuous_usage_stats": True})
        _, (attempt,) = made.gateway.records.kept[-1]
        assert (attempt.input_tokens, attempt.output_tokens) == (11, 22)


async def test_each_model_gets_its_own_name_and_only_what_it_knows() -> None:
    odd: dict[str, Any] = {
        "top_k": 5,
        "repetition_penalty": 1.1,
        "store": True,
        "metadata": {"a": "b"},
        "temperature": 0.5,
    }
    async with stage("500", large=()) as made:
        await made.ask(seed=7, **odd)
        vllm, hosted = (request.body for request in made.server.seen.requests)
        assert (vllm["model"], hosted["model"]) == ("v1", "large")
        assert {name for name in odd if name in vllm} == {"top_k", "repetition_penalty", "temperature"}
        assert {name for name in odd if name in hosted} == {"store", "metadata", "temperature"}
        assert vllm["seed"] == hosted["seed"] == 7
        assert "logprobs" not in hosted


async def test_a_tool_call_comes_through_whole_and_streamed() -> None:
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {}}}]
    async with stage(v1={"tool_call": ToolCall(name="lookup", arguments='{"id": 7}')}) as made:
        whole = await made.ask(tools=tools)
        assert whole.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"id": 7}'
        streamed = await made.ask(tools=tools, stream=True)
        assert streamed.finish_reasons == ["tool_calls"]
