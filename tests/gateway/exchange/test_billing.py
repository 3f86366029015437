"""What requests are billed for: the same whole or streamed, and for what was made of one that broke off."""

import asyncio
from collections import Counter
from typing import Any, Final

import pytest

from gateway.records.rows import AttemptRow
from gateway.snapshot.document import ConfidenceEntry
from routing.answer.policy import HOLD_FULL, HoldWindow
from routing.confidence.gate import ConfidenceMode
from routing.cost.prices import Price, Usage, cost_nanousd
from routing.words import TokenKind
from tests.fakes.asking import CHAT, TEXT, Stage, Wire, post, question, stage
from tests.fakes.gateways import threshold
from tests.gateway.exchange.expectations import BOTH

SMALL: Final = Price(
    version="file",
    nanousd_per_mtok={
        TokenKind.INPUT: 400_000_000,
        TokenKind.CACHED_INPUT: 40_000_000,
        TokenKind.OUTPUT: 1_600_000_000,
        TokenKind.REASONING: 800_000_000,
    },
    per_request_nanousd=7,
)
LARGE: Final = Price(
    version="2026-11-01", nanousd_per_mtok={TokenKind.INPUT: 2_500_000_000, TokenKind.OUTPUT: 10_000_000_000}
)
PRICED: Final[dict[str, Any]] = {"v1_entry": {"prices": (SMALL,)}, "large_entry": {"prices": (LARGE,)}}
ALONE: Final[dict[str, Any]] = {"v1_entry": {"prices": (SMALL,)}}
BOTH_PATHS = pytest.mark.parametrize("path", [CHAT, TEXT])
SLOW: Final = {"tokens_per_second": 50.0}
DOUBTFUL: Final[dict[str, Any]] = {"confidence": threshold(minimum=0.99), "hold": HoldWindow(tokens=4, ms=None)}


def usage_in(attempt: AttemptRow) -> Usage:
    assert attempt.input_tokens is not None
    assert attempt.output_tokens is not None
    return Usage(
        input=attempt.input_tokens,
        output=attempt.output_tokens,
        cached_input=attempt.cached_input_tokens or 0,
        cache_write=attempt.cache_write_tokens or 0,
        reasoning=attempt.reasoning_tokens or 0,
    )


def last(made: Stage) -> list[AttemptRow]:
    """The attempts of the request that ended last, whose costs add up, and are what the counters say."""
    row, attempts = made.gateway.records.kept[-1]
    costs = [attempt.cost_nanousd for attempt in attempts]
    assert row.cost_nanousd == (None if None in costs else sum(cost or 0 for cost in costs))
    tokens: Counter[tuple[str, str, str]] = Counter()
    usd: Counter[tuple[str, str]] = Counter()
    for _, rows in made.gateway.records.kept:
        for attempt in rows:
            usd[attempt.model, attempt.purpose] += attempt.cost_nanousd or 0
            if attempt.input_tokens is not None:
                for token_kind, count in usage_in(attempt).by_kind().items():
                    tokens[attempt.model, attempt.purpose, token_kind] += count
    for (model, purpose), nanousd in usd.items():
        counted = made.gateway.metric("cost_usd_total", route="support", model=model, purpose=purpose)
        assert counted == pytest.approx(nanousd / 1e9, abs=1e-12)
    for (model, purpose, kind), count in tokens.items():
        labels = {"model": model, "purpose": purpose, "kind": kind}
        assert made.gateway.metric("tokens_total", route="support", **labels) == count
    return list(attempts)


@BOTH_PATHS
@pytest.mark.parametrize(
    ("script", "usage"),
    [
        pytest.param({"cached_tokens": None}, Usage(input=11, output=22), id="plain"),
        pytest.param({"cached_tokens": 8}, Usage(input=11, cached_input=8, output=22), id="cached"),
        pytest.param({"reasoning_tokens": 20}, Usage(input=11, output=22, reasoning=20), id="reasoning"),
    ],
)
async def test_a_stream_is_billed_as_a_whole_answer_is(path: str, script: dict[str, Any], usage: Usage) -> None:
    async with stage(v1={"prompt_tokens": 11, "completion_tokens": 22, **script}, **ALONE) as made:
        for stream in (False, True):
            await made.ask(path, stream=stream)
            (attempt,) = last(made)
            assert usage_in(attempt) == usage
            assert (attempt.cost_nanousd, attempt.purpose) == (cost_nanousd(SMALL, usage), "serve")
            assert (attempt.usage_estimated, attempt.price_version) == (False, "file")


async def leave_after(made: Stage, text: bytes, **fields: Any) -> AttemptRow:
    """Leave in the middle of a stream; the one attempt."""
    async with Wire.to(made.gateway) as wire:
        wire.send(post(question(stream=True, **fields)))
        await wire.until(text)
    await made.gateway.until_finished(made.gateway.begun)
    (attempt,) = last(made)
    assert attempt.result == "cancelled"
    return attempt


async def test_a_client_that_leaves_a_stream_pays_exactly_what_vllm_says_that_it_came_to() -> None:
    unjudged: dict[str, Any] = {"confidence": ConfidenceEntry(mode=ConfidenceMode.NONE)}
    async with stage(large=(), v1={**SLOW, "prompt_tokens": 11}, **PRICED, **unjudged) as made:
        attempt = await leave_after(made, b"parcel")
        assert made.server.seen.requests[0].body["stream_options"]["continuous_usage_stats"] is True
        usage = usage_in(attempt)
        assert (usage.input, attempt.usage_estimated) == (11, False)
        assert 6 <= usage.output < 20
        assert attempt.cost_nanousd == cost_nanousd(SMALL, usage)


async def test_where_log_probabilities_are_asked_for_its_tokens_are_counted_and_the_rest_is_estimated() -> None:
    async with stage(large=(), v1={**SLOW, "prompt_tokens": 11}, **PRICED) as made:
        attempt = await leave_after(made, b"parcel")
        assert "continuous_usage_stats" not in made.server.seen.requests[0].body["stream_options"]
        usage = usage_in(attempt)
        assert attempt.usage_estimated
        assert usage.input
        assert 6 <= usage.output < 20
        assert attempt.cost_nanousd == cost_nanousd(SMALL, usage)


async def test_of_a_hosted_stream_chunks_are_counted() -> None:
    async with stage(v1=SLOW, v1_entry={"prices": (SMALL,), "provider": "openai"}) as made:
        attempt = await leave_after(made, b"parcel")
        assert "continuous_usage_stats" not in made.server.seen.requests[0].body["stream_options"]
        assert (attempt.usage_estimated, attempt.purpose) == (True, "serve")
        assert 6 <= usage_in(attempt).output < 20


@BOTH_PATHS
@pytest.mark.parametrize("shown", [False, True])
async def test_usage_that_only_the_gateway_asked_for_is_not_shown(shown: bool, path: str) -> None:
    async with stage(v1={"prompt_tokens": 11, "completion_tokens": 22}) as made:
        answer = await made.ask(path, stream=True, stream_options={"include_usage": shown})
        reported = [chunk for chunk in answer.chunks if chunk.get("usage")]
        assert [chunk["choices"] for chunk in reported] == ([[]] if shown else [])
        assert all(chunk["choices"] for chunk in answer.chunks if chunk not in reported)


@BOTH
async def test_a_client_that_leaves_before_anything_came_pays_for_its_prompt(stream: bool) -> None:
    async with stage("hang", **ALONE) as made:
        async with Wire.to(made.gateway) as wire:
            wire.send(post(question(stream=stream)))
            await made.server.seen.until(lambda seen: seen.models["v1"] == 1)
        await made.gateway.until_finished(1)
        (attempt,) = last(made)
        usage = usage_in(attempt)
        assert (attempt.result, attempt.purpose, attempt.usage_estimated) == ("cancelled", "draft", True)
        assert (usage.input > 0, usage.output) == (True, 0)
        assert attempt.cost_nanousd == cost_nanousd(SMALL, usage)


@BOTH
async def test_a_timed_out_attempt_is_still_metered(stream: bool) -> None:
    async with stage("hang", large=(), first_token_s=0.3, attempt_s=0.3, **PRICED) as made:
        await made.ask(stream=stream)
        draft, fallback = last(made)
        assert (draft.result, draft.purpose, draft.usage_estimated) == ("timeout", "draft", True)
        assert draft.cost_nanousd == cost_nanousd(SMALL, usage_in(draft))
        assert (fallback.purpose, fallback.usage_estimated) == ("fallback", False)


@BOTH
@pytest.mark.parametrize("fault", ["refuse", "500", "429", "empty", "html"])
async def test_a_model_that_did_not_answer_is_not_paid(fault: str, stream: bool) -> None:
    async with stage(fault, large=(), **PRICED) as made:
        await made.ask(stream=stream)
        draft, fallback = last(made)
        assert (draft.cost_nanousd, draft.input_tokens, draft.price_version) == (0, None, None)
        assert fallback.cost_nanousd == cost_nanousd(LARGE, usage_in(fallback))
        assert fallback.price_version == "2026-11-01"


async def test_an_abandoned_stream_is_a_draft_that_is_paid_for_as_far_as_it_came() -> None:
    async with stage(large=(), v1={"right_logprob": -2.0, "wrong_logprob": -2.0, **SLOW}, **PRICED, **DOUBTFUL) as made:
        answer = await made.ask(stream=True)
        assert answer.headers["x-gateway-fallback"] == "low_confidence"
        draft, fallback = last(made)
        assert (draft.purpose, draft.result, draft.usage_estimated) == ("draft", "doubted", True)
        assert 4 <= usage_in(draft).output < 20
        assert draft.cost_nanousd == cost_nanousd(SMALL, usage_in(draft))
        assert (fallback.purpose, fallback.model) == ("fallback", "large")


@BOTH
async def test_a_doubtful_answer_that_came_whole_is_paid_for_whole(stream: bool) -> None:
    doubtful: dict[str, Any] = {"confidence": threshold(minimum=0.99), "hold": HOLD_FULL}
    small = {"right_logprob": -2.0, "wrong_logprob": -2.0, "prompt_tokens": 11, "completion_tokens": 22}
    async with stage(large=(), v1=small, **PRICED, **doubtful) as made:
        await made.ask(stream=stream)
        draft, _ = last(made)
        assert (draft.purpose, draft.usage_estimated) == ("draft", False)
        assert draft.cost_nanousd == cost_nanousd(SMALL, Usage(input=11, output=22))


@BOTH
@pytest.mark.parametrize("unpriced", ["v1", "large"])
async def test_with_one_attempt_of_unknown_price_the_whole_request_costs_nobody_knows_what(
    unpriced: str, stream: bool
) -> None:
    entries: dict[str, Any] = {**PRICED, f"{unpriced}_entry": {"prices": ()}}
    doubtful: dict[str, Any] = {"confidence": threshold(minimum=0.99), "hold": HOLD_FULL}
    async with stage(large=(), v1={"right_logprob": -2.0, "wrong_logprob": -2.0}, **entries, **doubtful) as made:
        await made.ask(stream=stream)
        attempts = last(made)
        row, _ = made.gateway.records.kept[-1]
        assert row.cost_nanousd is None
        for attempt in attempts:
            is_unknown = attempt.model == unpriced
            assert (attempt.cost_nanousd is None, attempt.price_version is None) == (is_unknown, is_unknown)
            assert usage_in(attempt).output
            assert made.gateway.metric("unpriced_requests_total", model=attempt.model) == float(is_unknown)


async def test_a_price_that_begins_later_is_unknown_until_then() -> None:
    later = Price(since_us=2**62, version="later", nanousd_per_mtok={TokenKind.OUTPUT: 10**9})
    async with stage(v1_entry={"prices": (later,)}) as made:
        await made.ask()
        (attempt,) = last(made)
        assert (attempt.cost_nanousd, attempt.price_version) == (None, None)


async def test_a_hundred_streams_at_once_of_which_half_are_left_add_up() -> None:
    async with stage(large=(), v1={"tokens_per_second": 400.0}, **PRICED) as made:

        async def one(number: int) -> None:
            async with Wire.to(made.gateway) as wire:
                wire.send(post(question(stream=True)))
                await (wire.until(b"says") if number % 2 else wire.answer(timeout_s=20))

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(one(number))
        await made.gateway.until_finished(100, timeout_s=20)
        last(made)
        results = Counter(attempt.result for _, attempts in made.gateway.records.kept for attempt in attempts)
        assert results == {"completed": 50, "cancelled": 50}
