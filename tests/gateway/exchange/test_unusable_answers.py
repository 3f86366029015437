"""Answers that are none: recognised before anything of them reaches a client, and replaced."""

import json
from typing import Any

import pytest

from tests.fakes.asking import ARM_TEXT, CHAT, TEXT, ask, before, stage
from tests.fakes.raw_upstream import (
    END,
    HANG,
    STREAM_HEAD,
    Close,
    completion,
    delta,
    event,
    raw_upstream,
    reply,
)
from tests.gateway.exchange.expectations import BOTH, assert_failed, assert_replaced

INVALID = "upstream_invalid_response"


@BOTH
@pytest.mark.parametrize("fault", ["html", "empty", "no_choices"])
async def test_cases_78_and_80_what_is_no_answer_is_replaced(fault: str, stream: bool) -> None:
    async with stage(fault, large=()) as made:
        answer = await made.ask(stream=stream)
        reason = "error" if stream and fault != "html" else "invalid"  # a stream without an end has been cut off
        assert_replaced(made, answer, reason=reason, result=reason)


@pytest.mark.parametrize("fault", ["html", "empty", "no_choices", "error_in_200"])
async def test_cases_78_to_80_with_nobody_left_what_is_no_answer_is_a_502(fault: str) -> None:
    async with stage(fault) as made:
        answer = await made.ask()
        assert_failed(answer, status=502, code=INVALID)
        assert "simulated" not in answer.body.decode()


async def test_case_78_a_whole_answer_instead_of_a_stream_is_not_passed_off_as_one() -> None:
    async with raw_upstream([reply(completion())]) as server, before(server.base_url) as made:
        assert_failed(await ask(made, stream=True), status=502, code=INVALID)


@BOTH
async def test_case_79_an_error_in_a_200_is_replaced(stream: bool) -> None:
    async with stage("error_in_200", large=()) as made:
        assert_replaced(made, await made.ask(stream=stream), reason="error", result="error")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": -7, "completion_tokens": 2},
        {"prompt_tokens": 7, "completion_tokens": -2},
        {"prompt_tokens": "many", "completion_tokens": 2},
        {"prompt_tokens": 1.5},
        {"prompt_tokens": 10**12, "completion_tokens": 1},
        [],
        "none",
    ],
)
async def test_case_80_unusable_usage_is_estimated_and_flagged_and_the_answer_served(usage: object) -> None:
    async with raw_upstream([reply(completion("x" * 40, usage=usage))]) as server, before(server.base_url) as made:
        assert (await ask(made)).text == "x" * 40
        counted = made.last.attempts[0].usage
        assert counted is not None
        assert counted.is_estimated
        assert (counted.input > 0, counted.output) == (True, 10)
        (row,) = made.records.kept[-1][1]
        assert (row.usage_estimated, row.output_tokens) == (True, 10)


@BOTH
async def test_case_80_negative_usage_is_thrown_away(stream: bool) -> None:
    async with stage("negative_usage") as made:
        assert (await made.ask(stream=stream)).text == ARM_TEXT
        counted = made.last.attempts[0].usage
        assert counted is not None
        assert counted.is_estimated
        assert min(counted.input, counted.output) > 0


async def test_case_81_an_enormous_answer_is_cut_off_and_replaced() -> None:
    async with stage("big_body", large=()) as made:
        assert_replaced(made, await made.ask(), reason="invalid", result="invalid")
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)


@BOTH
async def test_case_81_a_compressed_bomb_is_neither_asked_for_nor_unpacked(stream: bool) -> None:
    async with stage("bomb", large=()) as made:
        answer = await made.ask(stream=stream)
        assert (answer.status, answer.headers["x-gateway-model"]) == (200, "large")
        assert all(request.headers["accept-encoding"] == "identity" for request in made.server.seen.requests)


async def test_case_82_an_answer_that_never_comes_is_a_504_at_the_deadline() -> None:
    async with stage("hang", total_s=0.1) as made:
        assert_failed(await made.ask(), status=504, code="upstream_timeout")
        assert (made.last.outcome, made.results) == ("failed", ["timeout"])
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)


@pytest.mark.parametrize("fault", ["hang", "headers_only_hang", "hang_during"])
@pytest.mark.parametrize("timeouts", [{"attempt_s": 0.2}, {"total_s": 0.4}], ids=["attempt_s", "half of total_s"])
async def test_case_82_the_fallback_answers_while_there_is_time(fault: str, timeouts: dict[str, Any]) -> None:
    async with stage(fault, large=(), **timeouts) as made:
        assert_replaced(made, await made.ask(), reason="timeout", result="timeout")
        first = made.last.attempts[0]
        assert first.ended_s is not None
        assert 0.19 < first.ended_s - first.started_s < 0.4


async def test_the_fallback_has_what_is_left_of_the_total_time() -> None:
    async with stage("hang", large=["hang"], total_s=0.2) as made:
        assert_failed(await made.ask(), status=504, code="upstream_timeout")
        ended_s = made.last.attempts[1].ended_s
        assert ended_s is not None
        assert 0.2 <= ended_s - made.last.started_s < 0.4
        assert made.results == ["timeout", "timeout"]


@pytest.mark.parametrize(
    ("case", "fault"),
    [(83, "hang"), (83, "headers_only_hang"), (84, "role_only_hang")],
)
async def test_cases_83_and_84_no_first_token_in_time_falls_over(case: int, fault: str) -> None:
    async with stage(fault, large=(), first_token_s=0.1) as made:
        assert_replaced(made, await made.ask(stream=True), reason="timeout", result="timeout")
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)


@pytest.mark.parametrize("fault", ["hang", "role_only_hang"])
async def test_cases_83_and_84_with_nobody_left_no_first_token_is_a_504(fault: str) -> None:
    async with stage(fault, first_token_s=0.1) as made:
        assert_failed(await made.ask(stream=True), status=504, code="upstream_timeout")


async def test_case_84_comments_and_empty_chunks_are_no_first_token() -> None:
    head = [STREAM_HEAD, delta("", role="assistant"), event({"choices": []}), delta("")]
    async with raw_upstream([*head, HANG]) as server, before(server.base_url, first_token_s=0.1) as made:
        assert_failed(await ask(made, stream=True), status=504, code="upstream_timeout")
        await server.until_closed(1)


async def test_case_85_an_error_as_the_first_event_falls_back() -> None:
    async with stage("error_first_event", large=()) as made:
        assert_replaced(made, await made.ask(stream=True), reason="error", result="error")


async def test_case_85_when_all_fail_that_way_the_client_gets_a_status_and_no_stream() -> None:
    async with stage("error_first_event", large=["error_first_event"]) as made:
        answer = await made.ask(stream=True)
        assert_failed(answer, status=502, code="upstream_error")
        assert answer.headers["x-should-retry"] == "false"


@BOTH
@pytest.mark.parametrize("fault", ["abort:0", "garbage:0", "early_end:0", "error_event:0", "cut:0"])
async def test_cases_86_to_90_what_breaks_before_the_first_content_is_replaced(fault: str, stream: bool) -> None:
    async with stage(fault, large=()) as made:
        answer = await made.ask(stream=stream)
        is_malformed = fault == "garbage:0" or (fault == "early_end:0" and not stream)
        reason = "invalid" if is_malformed else "error"
        assert_replaced(made, answer, reason=reason, result=reason)


@BOTH
@pytest.mark.parametrize("finish", ["abort", "error"])
async def test_case_89_an_aborted_answer_is_no_success(finish: str, stream: bool) -> None:
    whole = reply(completion("half", choice={"finish_reason": finish}))
    streamed = STREAM_HEAD + delta(finish=finish) + event("[DONE]") + END
    async with raw_upstream([streamed if stream else whole]) as server, before(server.base_url) as made:
        assert_failed(await ask(made, stream=stream), status=502, code="upstream_error")
        assert made.last.attempts[0].result == "error"


async def test_case_91_an_enormous_line_is_capped_and_replaced() -> None:
    async with stage("big_line", large=()) as made:
        assert_replaced(made, await made.ask(stream=True), reason="invalid", result="invalid")
        await made.server.seen.until(lambda seen: seen.clients_gone == 1, timeout_s=1)


@BOTH
@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize("fault", ["empty_answer", "refusal", "content_filter"])
async def test_an_empty_refused_or_filtered_answer_is_replaced(fault: str, path: str, stream: bool) -> None:
    async with stage(fault, large=()) as made:
        assert_replaced(made, await made.ask(path, stream=stream), reason="invalid", result="invalid")


@BOTH
@pytest.mark.parametrize("fault", ["empty_answer", "refusal", "content_filter"])
async def test_a_flawed_answer_is_served_as_degraded_when_the_fallback_fails_too(fault: str, stream: bool) -> None:
    async with stage(fault, large=["500"]) as made:
        answer = await made.ask(stream=stream)
        assert (answer.status, answer.headers["x-gateway-degraded"]) == (200, "invalid")
        assert "x-gateway-fallback" not in answer.headers
        assert (made.last.outcome, made.last.reason) == ("degraded", "invalid")
        assert made.results == ["invalid", "error"]
        assert [row.purpose for row in made.gateway.records.kept[-1][1]] == ["serve", "draft"]


@BOTH
@pytest.mark.parametrize(("when", "outcome"), [((), "degraded"), (("error",), "degraded")])
async def test_reasons_that_the_route_leaves_out_do_not_fall_back(
    when: tuple[str, ...], outcome: str, stream: bool
) -> None:
    async with stage("empty_answer", large=(), when=when) as made:
        await made.ask(stream=stream)
        assert (made.last.outcome, made.calls("large")) == (outcome, 0)
    async with stage("hang", large=(), when=when, first_token_s=0.05, attempt_s=0.05) as made:
        assert (await made.ask(stream=stream)).status == 504
        assert (made.last.outcome, made.calls("large")) == ("failed", 0)


async def test_a_body_without_length_ends_with_its_connection() -> None:
    body = completion("to the end")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    async with raw_upstream([head + body[:20], body[20:], Close()]) as server, before(server.base_url) as made:
        assert (await ask(made)).text == "to the end"
        assert json.loads(body)["model"] == "raw"


@BOTH
async def test_an_upstream_that_does_not_speak_http_is_replaced(stream: bool) -> None:
    async with raw_upstream([b"SSH-2.0-OpenSSH_9.2\r\n\r\n", HANG]) as server, before(server.base_url) as made:
        assert_failed(await ask(made, stream=stream), status=502, code=INVALID)
        await server.until_closed(1)


async def test_endless_headers_of_an_upstream_are_cut_off() -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(70))
    async with raw_upstream([endless, HANG]) as server, before(server.base_url) as made:
        assert_failed(await ask(made), status=502, code=INVALID)


async def test_an_interim_answer_is_skipped() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    async with raw_upstream([early + reply(completion("at last"))]) as server, before(server.base_url) as made:
        assert (await ask(made)).text == "at last"
