"""Streams held back until they are judged: released, abandoned, or whole before anybody asked."""

import asyncio
from typing import Any

import pytest

from gateway.snapshot.document import ConfidenceEntry
from routing.answer.policy import HOLD_FULL, HOLD_NONE, HoldWindow
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from serving.simulated.script import LogprobMode, ToolCall
from tests.fakes.asking import CHAT, LARGE_TEXT, TEXT, Answer, Stage, Wire, ask, before, post, question, stage
from tests.fakes.gateways import threshold
from tests.fakes.raw_upstream import (
    END,
    HANG,
    STREAM_HEAD,
    Await,
    Pause,
    RawUpstream,
    Step,
    delta,
    event,
    logprobs,
    raw_upstream,
)
from tests.gateway.exchange.expectations import BOTH, assert_failed, assert_replaced

LONG = " ".join(f"word{number}" for number in range(40))
PREFIX = HoldWindow(tokens=16, ms=None)
SURE = {"text": LONG, "right_logprob": -0.05, "tokens_per_second": 4000.0}
UNSURE = {"text": LONG, "right_logprob": -3.0, "tokens_per_second": 4000.0}
ACTING: dict[str, Any] = {"confidence": threshold(minimum=0.5)}
DONE = event("[DONE]")
FINISH = delta(finish="stop")


def word(text: str, logprob: float) -> bytes:
    """The chunk of one token."""
    return delta(text, logprobs=logprobs((text, logprob)))


def assert_served(made: Stage, answer: Answer, text: str, *, prefix: int | None) -> None:
    """The arm's own answer went out, judged by so many tokens."""
    assert (answer.status, answer.text, answer.payloads[-1]) == (200, text, "[DONE]")
    assert (made.last.outcome, made.results, made.calls("large")) == ("served", ["completed"], 0)
    features = made.last.attempts[0].prefix
    assert (features and features.tokens) == prefix


@pytest.mark.parametrize("hold", [PREFIX, HOLD_FULL], ids=["prefix", "full"])
async def test_a_sure_answer_passes_its_hold(hold: HoldWindow) -> None:
    async with stage(large=(), v1=SURE, hold=hold, **ACTING) as made:
        answer = await made.ask(stream=True)
        assert_served(made, answer, LONG, prefix=16 if hold is PREFIX else None)
        assert answer.headers["x-gateway-score"] == "mean_logprob=0.9512"
        assert answer.headers["x-gateway-threshold"] == "0.5000"
        assert answer.headers["x-gateway-calibration"] == "none"


@pytest.mark.parametrize("hold", [PREFIX, HOLD_FULL], ids=["prefix", "full"])
async def test_case_103_a_doubtful_stream_is_replaced_before_a_byte_of_it_is_out(hold: HoldWindow) -> None:
    async with stage(large=(), v1=UNSURE, hold=hold, **ACTING) as made:
        answer = await made.ask(stream=True)
        assert_replaced(made, answer, reason="low_confidence", result="doubted")
        assert answer.headers["x-gateway-score"] == "mean_logprob=0.0498"
        assert b"word" not in answer.body


async def test_case_102_an_abandoned_stream_is_cancelled_at_once_and_paid_for_apart() -> None:
    slow = {**UNSURE, "tokens_per_second": 200.0}
    async with stage(large=(), v1=slow, hold=PREFIX, **ACTING) as made:
        await made.ask(stream=True)
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)
        first, second = made.gateway.records.kept[-1][1]
        assert (first.purpose, first.usage_estimated, second.purpose) == ("draft", True, "fallback")
        assert first.output_tokens is not None
        assert 16 <= first.output_tokens < 40


async def test_an_abandoned_stream_is_closed_within_100_ms_of_the_decision() -> None:
    slow = {**UNSURE, "tokens_per_second": 200.0}
    async with stage(large=(), v1=slow, hold=PREFIX, **ACTING) as made:
        seen = made.server.seen
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(made.ask(stream=True))
            await seen.until(lambda seen: seen.models["large"] == 1)  # the decision is made
            await seen.until(lambda seen: seen.clients_gone == 1, timeout_s=0.1)
        assert asked.result().text == LARGE_TEXT
        assert b"word" not in asked.result().body


async def test_a_held_value_that_is_not_what_was_asked_for_falls_back() -> None:
    schema = {"type": "object", "properties": {"intent": {"enum": ["refund"]}}, "required": ["intent"]}
    asked = {"type": "json_schema", "json_schema": {"name": "i", "schema": schema}}
    sure = {"text": '{"intent": "other"}', "right_logprob": -0.01, "tokens_per_second": 4000.0}
    async with stage(large=(), v1=sure, hold=PREFIX, **ACTING) as made:
        answer = await made.ask(stream=True, response_format=asked)
        # The large model, which was asked, says nothing in JSON either; of the two the client gets the arm's.
        assert (made.calls("large"), made.results) == (1, ["invalid", "invalid"])
        assert (answer.text, answer.headers["x-gateway-degraded"]) == ('{"intent": "other"}', "invalid")
        assert made.gateway.metric("gate_failures_total", route="support", model="v1", gate="invalid_structure") == 1


async def test_case_102_both_whole_answers_are_paid_for_and_the_client_sees_one_usage() -> None:
    async with stage(large=(), v1=UNSURE, **ACTING) as made:
        answer = await made.ask()
        assert_replaced(made, answer, reason="low_confidence", result="doubted")
        first, second = made.gateway.records.kept[-1][1]
        assert (first.purpose, first.output_tokens, second.purpose) == ("draft", 40, "fallback")
        assert answer.json["usage"]["completion_tokens"] == second.output_tokens


async def test_nothing_is_held_where_doubt_has_no_consequences() -> None:
    settings: tuple[dict[str, Any], ...] = ({}, {"confidence": threshold(), "when": ("error",)})
    for options in settings:
        async with stage("hang_during:1", large=(), v1=UNSURE, hold=HOLD_FULL, idle_s=0.1, **options) as made:
            assert (await made.ask(stream=True)).text == "word0"
            assert made.last.outcome == "interrupted"


async def test_hold_none_sends_the_first_token_at_once_and_never_acts_on_doubt() -> None:
    async with stage(large=(), v1={**UNSURE, "tokens_per_second": None}, hold=HOLD_NONE, **ACTING) as made:
        for _ in range(3):
            answer = await made.ask(stream=True)
            assert (answer.text, made.last.outcome) == (LONG, "served")
    short = [STREAM_HEAD + word("one", -3.0) + word("two", -3.0) + FINISH + DONE + END]  # all there at once
    async with raw_upstream(short) as server, before(server.base_url, large_url=server.base_url, **ACTING) as gate:
        assert (await ask(gate, stream=True)).text == "onetwo"
        assert (gate.last.outcome, len(server.requests)) == ("served", 1)
        attempt = gate.last.attempts[0]
        assert (attempt.judgement, attempt.late is not None) == (None, True)
        assert gate.metric("late_low_confidence_total", route="support", model="v1") == 1


@pytest.mark.parametrize(("path", "more"), [(CHAT, {"n": 2}), (TEXT, {})], ids=["several choices", "text"])
async def test_what_cannot_be_judged_is_not_held(path: str, more: dict[str, Any]) -> None:
    async with stage("hang_during:2", large=(), v1=UNSURE, hold=HOLD_FULL, idle_s=0.1, **ACTING) as made:
        answer = await made.ask(path, stream=True, **more)
        assert answer.status == 200
        assert made.last.outcome == "interrupted"


async def test_the_time_of_the_first_token_is_known_also_of_an_answer_that_came_at_once() -> None:
    async with raw_upstream(LARGE) as server, before(server.base_url) as made:
        assert (await ask(made, stream=True)).text == "large"
        assert made.last.attempts[0].first_token_s is not None
        assert made.records.kept[-1][1][0].first_token_us is not None


async def ask_held(server: RawUpstream, **options: Any) -> Answer:
    async with before(server.base_url, large_url=server.base_url, **{**ACTING, **options}) as made:
        return await ask(made, stream=True)


LARGE: list[Step] = [STREAM_HEAD + delta("large") + FINISH + DONE + END]


@pytest.mark.parametrize(("tokens", "text"), [(3, "wwwx"), (4, "large")])
async def test_at_the_deadline_what_is_there_is_judged_and_less_than_four_tokens_released(
    tokens: int, text: str
) -> None:
    doubtful = [STREAM_HEAD, *([word("w", -3.0)] * tokens), Pause(0.3), word("x", -3.0), FINISH, DONE, END]
    async with raw_upstream(doubtful, LARGE) as server:
        answer = await ask_held(server, hold=HoldWindow(tokens=16, ms=50))
        assert answer.text == text
        assert ("x-gateway-fallback" in answer.headers) == (text == "large")


async def test_what_is_too_short_at_the_deadline_is_judged_at_its_end_alone() -> None:
    short = [STREAM_HEAD, *([word("w", -3.0)] * 3), Pause(0.3), word("x", -3.0), FINISH, DONE, END]
    async with (
        raw_upstream(short) as server,
        before(server.base_url, large_url=server.base_url, hold=HoldWindow(tokens=16, ms=50), **ACTING) as made,
    ):
        answer = await ask(made, stream=True)
        attempt, row = made.last.attempts[0], made.records.kept[-1][0]
        # No threshold that moves may count as replaced what never could be.
        assert (answer.text, attempt.judgement, attempt.prefix) == ("wwwx", None, None)
        assert attempt.late is not None
        assert (row.judged, row.prefix_features, row.late_confidence) == ("whole", None, None)
        assert row.whole_features is not None


async def test_the_deadline_counts_from_the_first_content_and_not_from_the_role() -> None:
    first = [STREAM_HEAD, delta("", role="assistant"), Pause(0.15), *([word("w", -3.0)] * 16), FINISH, DONE, END]
    async with raw_upstream(first, LARGE) as server:
        answer = await ask_held(server, hold=HoldWindow(tokens=16, ms=50))
        assert answer.headers["x-gateway-fallback"] == "low_confidence"


async def test_no_byte_goes_out_before_the_commit() -> None:
    may_go_on = asyncio.Event()
    steps = [STREAM_HEAD, *([word("w", -0.01)] * 15), Await(may_go_on), word("!", -0.01), FINISH, DONE, END]
    async with (
        raw_upstream(steps) as server,
        before(server.base_url, large_url=server.base_url, hold=PREFIX, **ACTING) as made,
        Wire.to(made) as wire,
    ):
        wire.send(post(question(stream=True)))
        await server.until_asked(1)
        with pytest.raises(TimeoutError):
            await wire.until(b"HTTP", timeout_s=0.1)
        may_go_on.set()
        assert (await wire.answer()).text == "w" * 15 + "!"


@pytest.mark.parametrize("hold", [PREFIX, HOLD_FULL], ids=["prefix", "full"])
async def test_an_abandoned_stream_whose_fallback_fails_is_a_502(hold: HoldWindow) -> None:
    async with stage(large=["500"], v1={**UNSURE, "tokens_per_second": 400.0}, hold=PREFIX, **ACTING) as made:
        answer = await made.ask(stream=True)
        assert_failed(answer, status=502, code="upstream_error")
        assert (made.last.outcome, made.last.reason, made.results) == ("failed", "low_confidence", ["doubted", "error"])


@BOTH
async def test_a_whole_held_answer_whose_fallback_fails_is_served_as_degraded(stream: bool) -> None:
    async with stage(large=["500"], v1=UNSURE, hold=HOLD_FULL, **ACTING) as made:
        answer = await made.ask(stream=stream)
        assert (answer.status, answer.text) == (200, LONG)
        assert answer.headers["x-gateway-degraded"] == "low_confidence"
        assert answer.headers["x-gateway-model"] == "v1"
        assert (made.last.outcome, made.last.reason, made.results) == (
            "degraded",
            "low_confidence",
            ["doubted", "error"],
        )


async def test_tool_calls_are_content() -> None:
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {}}}]
    call = ToolCall(name="lookup", arguments='{"a": 1, "b": [2, 3], "c": {"d": "e f g h i j k l m n"}}')
    async with stage("hang_during:18", v1={"tool_call": call}, large=(), hold=PREFIX, idle_s=0.1, **ACTING) as made:
        answer = await made.ask(stream=True, tools=tools)
        # Sixteen pieces of a call fill the window: it was committed, not waited for.
        assert made.last.outcome == "interrupted"
        assert answer.chunks[1]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "lookup"


async def test_case_96_broken_tool_calls_are_passed_on_as_they_are_where_nothing_can_replace_them() -> None:
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {}}}]
    async with stage("broken_tool_call", large=None) as made:
        answer = await made.ask(stream=True, tools=tools)
        deltas = [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"]]
        pieces = [call["function"]["arguments"] for part in deltas for call in part.get("tool_calls") or ()]
        assert "".join(pieces) == '{"query": "half a te'
        whole = await made.ask(tools=tools)
        call = whole.json["choices"][0]["message"]["tool_calls"][0]
        assert call["function"]["arguments"] == '{"query": "half a te'
        assert made.last.outcome == "degraded"


@BOTH
async def test_a_held_answer_without_the_structure_asked_for_is_replaced(stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {}}}]
    async with stage("broken_tool_call", large=(), hold=HOLD_FULL, **ACTING) as made:
        answer = await made.ask(stream=stream, tools=tools)
        assert answer.text == LARGE_TEXT
        assert made.last.attempts[0].flaw == "invalid_structure"
        assert (made.last.outcome, made.last.reason) == ("fallback", "invalid")


async def test_a_released_stream_without_the_structure_asked_for_is_only_noted() -> None:
    script = {**SURE, "text": '{"urgency": ' + "1, ".join('"x"' for _ in range(30)) + "}"}
    async with stage(large=(), v1=script, hold=PREFIX, **ACTING) as made:
        answer = await made.ask(stream=True, response_format={"type": "json_object"})
        assert answer.text == script["text"]
        assert (made.last.outcome, made.calls("large")) == ("served", 0)
        whole = made.last.attempts[0].late
        assert whole is not None
        assert whole.features is not None
        assert whole.features.is_valid is False


@BOTH
async def test_several_choices_have_no_confidence(stream: bool) -> None:
    async with stage(large=(), v1=UNSURE, hold=PREFIX, **ACTING) as made:
        answer = await made.ask(stream=stream, n=2)
        assert (made.last.outcome, made.last.attempts[0].judgement) == ("served", None)
        assert "x-gateway-score" not in answer.headers
        assert "logprobs" not in made.server.seen.requests[-1].body


@BOTH
@pytest.mark.parametrize("mode", [LogprobMode.MISSING, LogprobMode.ZERO])
async def test_missing_or_all_zero_log_probabilities_are_served_and_counted_never_taken_for_certainty(
    mode: LogprobMode, stream: bool
) -> None:
    async with stage(large=(), v1={**UNSURE, "logprobs": mode}, hold=PREFIX, **ACTING) as made:
        answer = await made.ask(stream=stream)
        assert (answer.text, made.last.outcome) == (LONG, "served")
        judgement = made.last.attempts[0].judgement
        assert judgement is not None
        assert judgement.score is None
        assert "x-gateway-score" not in answer.headers
        assert "x-gateway-confidence" not in answer.headers
        assert made.gateway.metric("confidence_missing_total", route="support", model="v1") == 1
        assert made.gateway.records.kept[-1][0].score is None


@BOTH
@pytest.mark.parametrize("score", list(ScoreName))
async def test_each_score_is_named_in_the_answer(score: ScoreName, stream: bool) -> None:
    async with stage(large=(), v1=SURE, confidence=threshold(score), hold=PREFIX) as made:
        answer = await made.ask(stream=stream)
        assert answer.headers["x-gateway-score"] == f"{score}=0.9512"
        assert answer.headers["x-gateway-confidence"] == "0.9512"


@BOTH
async def test_mode_observe_scores_and_never_acts(stream: bool) -> None:
    async with stage(large=(), v1=UNSURE, hold=HOLD_FULL) as made:
        answer = await made.ask(stream=stream)
        assert (answer.text, made.last.outcome) == (LONG, "served")
        # A stream that is not held is out before there is anything to score; the record has what it came to.
        assert answer.headers.get("x-gateway-score") == (None if stream else "mean_logprob=0.0498")
        assert "x-gateway-threshold" not in answer.headers
        row = made.gateway.records.kept[-1][0]
        assert (row.judged, row.threshold) == ("whole", None)
        assert row.confidence == pytest.approx(0.0498, abs=1e-4)


@BOTH
async def test_mode_none_asks_for_nothing(stream: bool) -> None:
    async with stage(large=(), v1=UNSURE, confidence=ConfidenceEntry(mode=ConfidenceMode.NONE)) as made:
        await made.ask(stream=stream)
        assert "logprobs" not in made.server.seen.requests[-1].body
        assert made.last.attempts[0].judgement is None


async def test_case_84_a_held_stream_that_falls_silent_falls_over_when_it_was_idle_too_long() -> None:
    steps = [STREAM_HEAD, word("w", -0.01), HANG]
    async with raw_upstream(steps, LARGE) as server:
        answer = await ask_held(server, hold=PREFIX, idle_s=0.1)
        assert (answer.text, answer.headers["x-gateway-fallback"]) == ("large", "timeout")
