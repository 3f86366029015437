"""Streams that break after the commit: what was said stays said, and the end is never silent."""

import asyncio
import json
from typing import Any

import pytest

from gateway.exchange import stream as stream_module
from tests.fakes.asking import ARM_TEXT, CHAT, TEXT, Stage, Wire, ask, before, post, question, stage
from tests.fakes.asking import Answer as Got
from tests.fakes.raw_upstream import (
    END,
    HANG,
    STREAM_HEAD,
    Close,
    Pause,
    Step,
    delta,
    event,
    piece,
    raw_upstream,
)

ROLE = delta("", role="assistant")
DONE = event("[DONE]")
FINISH = delta(finish="stop")


def assert_interrupted(made: Stage, answer: Got, *, code: str, result: str) -> None:
    """The start of one model's text, an error event, and the end that clients wait for."""
    assert answer.status == 200
    assert ARM_TEXT.startswith(answer.text)
    assert answer.text
    assert (answer.last_error["type"], answer.last_error["code"]) == ("upstream_error", code)
    assert answer.payloads.count("[DONE]") == 1
    assert (made.last.outcome, made.last.status, made.results) == ("interrupted", 200, [result])
    assert made.calls("large") == 0
    row, (attempt,) = made.gateway.records.kept[-1]
    assert (row.outcome, attempt.purpose, attempt.result) == ("interrupted", "serve", result)
    assert attempt.output_tokens == len(answer.chunks) - 1
    assert attempt.usage_estimated


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize(
    ("case", "fault", "code", "result"),
    [
        (86, "cut:3", "upstream_stream_interrupted", "error"),
        (87, "early_end:3", "upstream_stream_interrupted", "error"),
        (88, "hang_during:3", "upstream_stream_timeout", "timeout"),
        (89, "abort:3", "upstream_error", "error"),
        (90, "garbage:3", "upstream_invalid_response", "invalid"),
        (86, "error_event:3", "upstream_error", "error"),
    ],
)
async def test_cases_86_to_90_a_stream_that_breaks_ends_with_an_error_event(
    case: int, fault: str, code: str, result: str, path: str
) -> None:
    idle_s = 0.3 if case == 88 else 60.0
    async with stage(fault, large=(), idle_s=idle_s, v1={"latency_ms": 1.0, "tokens_per_second": 2000.0}) as made:
        answer = await made.ask(path, stream=True)
        if path == TEXT:  # which has no role chunk
            assert len(answer.chunks) == 3
            assert answer.last_error["code"] == code
            assert (made.last.outcome, made.results) == ("interrupted", [result])
        else:
            assert_interrupted(made, answer, code=code, result=result)
        await made.server.seen.until(lambda seen: seen.connections_open == 0, timeout_s=1)


async def test_what_came_of_a_broken_stream_is_no_whole_answer() -> None:
    async with stage("cut:3", large=(), v1={"latency_ms": 1.0, "tokens_per_second": 2000.0}) as made:
        await made.ask(stream=True)
        assert made.last.attempts[0].late is None
        assert made.gateway.records.kept[-1][0].whole_features is None
        assert made.gateway.metric("late_low_confidence_total", route="support", model="v1") == 0


async def test_case_90_nothing_of_a_garbled_chunk_is_passed_on() -> None:
    async with stage("garbage:2", v1={"tokens_per_second": 2000.0}) as made:
        answer = await made.ask(stream=True)
        assert all(json.loads(payload) for payload in answer.payloads[:-1])
        assert b"\xff" not in answer.body


async def interrupted(*steps: Step, **options: Any) -> Got:
    """Commit with one word, then play the steps."""
    script = [STREAM_HEAD, ROLE, delta("word"), Pause(0.02), *steps]
    async with raw_upstream(script) as server, before(server.base_url, **options) as made:
        answer = await ask(made, stream=True)
        await server.until_closed(1)
        assert answer.text.startswith("word")
        assert made.last.outcome == "interrupted"
        return answer


async def test_case_86_a_reset_after_the_commit() -> None:
    assert (await interrupted(Close(is_reset=True))).last_error["code"] == "upstream_stream_interrupted"


async def test_case_87_a_clean_end_of_the_body_without_a_finish_reason() -> None:
    assert (await interrupted(END)).last_error["code"] == "upstream_stream_interrupted"


async def test_case_87_done_without_a_finish_reason() -> None:
    assert (await interrupted(DONE, END)).last_error["code"] == "upstream_stream_interrupted"


async def test_case_88_what_comes_in_scraps_is_no_silence() -> None:
    scraps: list[Step] = [step for _ in range(5) for step in (Pause(0.1), delta("s"))]
    steps = [STREAM_HEAD, delta("word"), *scraps, FINISH, DONE, END]
    async with raw_upstream(steps) as server, before(server.base_url, idle_s=0.4) as made:
        answer = await ask(made, stream=True)
        assert (answer.text, answer.payloads[-1]) == ("wordsssss", "[DONE]")
        assert made.last.outcome == "served"


async def test_case_88_the_total_time_ends_also_a_stream_that_speaks() -> None:
    chatter = [step for _ in range(200) for step in (Pause(0.02), delta("s"))]
    answer = await interrupted(*chatter, total_s=0.8)
    assert answer.last_error["code"] == "upstream_stream_timeout"


async def test_case_89_an_error_beside_good_chunks_ends_the_stream() -> None:
    both = piece(b'data: {"choices": [{"delta": {"content": " more"}}]}\n\ndata: {"error": {"message": "x"}}\n\n')
    answer = await interrupted(both, DONE, END)
    assert answer.text == "word more"
    assert answer.last_error["code"] == "upstream_error"


async def test_case_91_an_enormous_line_after_the_commit() -> None:
    line = piece(b"data: " + b"x" * 100_000)
    more = [piece(b"y" * 1_000_000)] * 5
    assert (await interrupted(line, *more, HANG)).last_error["code"] == "upstream_invalid_response"


async def test_a_finish_reason_stands_for_a_missing_done() -> None:
    steps = [STREAM_HEAD, delta("word"), Pause(0.02), FINISH, END]
    async with raw_upstream(steps) as server, before(server.base_url) as made:
        answer = await ask(made, stream=True)
        assert answer.payloads[-1] == "[DONE]"
        assert made.last.outcome == "served"


async def test_one_finished_choice_of_two_is_no_end() -> None:
    steps = [STREAM_HEAD, delta("a"), delta("b", index=1), Pause(0.02), FINISH, END]
    async with raw_upstream(steps) as server, before(server.base_url) as made:
        answer = await ask(made, stream=True, n=2)
        assert answer.last_error["code"] == "upstream_stream_interrupted"
        assert made.last.outcome == "interrupted"


async def test_two_finished_choices_of_two_are_an_end() -> None:
    steps = [STREAM_HEAD, delta("a"), delta("b", index=1), Pause(0.02), FINISH, delta(finish="stop", index=1), END]
    async with raw_upstream(steps) as server, before(server.base_url) as made:
        assert (await ask(made, stream=True, n=2)).payloads[-1] == "[DONE]"
        assert made.last.outcome == "served"


async def test_an_interrupted_stream_leaves_its_clients_connection_usable() -> None:
    script = [STREAM_HEAD, delta("word"), Pause(0.02), END]
    async with raw_upstream(script) as server, before(server.base_url) as made, Wire.to(made) as wire:
        for _ in range(2):
            wire.send(post(question(stream=True)))
            answer = await wire.answer()
            assert answer.last_error["code"] == "upstream_stream_interrupted"
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_case_88_silence_is_borne_for_its_time_and_not_for_twice_that() -> None:
    async with stage("hang_during:3", idle_s=0.4) as made:
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(ask(made.gateway, stream=True))
        for exchange in made.gateway.finished:
            (attempt,) = exchange.attempts
            assert attempt.first_token_s is not None
            assert attempt.ended_s is not None
            assert 0.39 < attempt.ended_s - attempt.first_token_s < 0.75


async def test_case_88_a_silent_stream_is_kept_awake_by_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "COMMENT_AFTER_S", 0.05)
    async with stage("hang_during:3", idle_s=0.4) as made:
        answer = await made.ask(stream=True)
        comments, rest = answer.body.count(b": keep-alive\n\n"), answer.body.replace(b": keep-alive\n\n", b"")
        assert 2 <= comments <= 8
        whole = Got(answer.status, answer.headers, rest)
        assert (len(whole.chunks), whole.last_error["code"]) == (4, "upstream_stream_timeout")


async def test_case_88_before_the_commit_no_comment_commits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "COMMENT_AFTER_S", 0.05)
    async with stage("role_only_hang", first_token_s=0.2) as made:
        assert (await made.ask(stream=True)).status == 504
