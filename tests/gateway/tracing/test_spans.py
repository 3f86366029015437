"""One span a request, and below it one an attempt; they say what came of it, and nothing of what was said."""

import re
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, server_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes
from opentelemetry.trace import StatusCode

from gateway.tracing import attributes as names
from routing.answer.policy import HOLD_FULL
from tests.fakes.asking import ARM_TEXT, LARGE_TEXT, TEXT, stage
from tests.fakes.collector import Spans
from tests.fakes.gateways import threshold

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
PLANTED = "planted-secret-of-a-prompt"


def said(span: ReadableSpan) -> Mapping[str, object]:
    assert span.attributes is not None
    return span.attributes


def id_of(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


def is_sampled(parent: str) -> bool:
    return bool(int(parent[-2:], 16) & 1)


async def test_a_request_and_its_attempt() -> None:
    spans = Spans()
    async with stage(watched={"tracer": spans.tracer}) as made:
        await made.ask()
    request, (attempt,) = spans.request, spans.attempts
    row, (line,) = made.gateway.records.kept[0]
    assert (request.name, attempt.name) == ("chat support", "chat v1")
    assert said(request)[names.ROUTE] == said(request)[names.MODEL_ASKED] == "support"
    assert said(request)[names.ARM] == said(request)[names.MODEL_ANSWERED] == "v1"
    assert said(request)[names.OUTCOME] == "served"
    assert said(request)[names.REQUEST_ID] == row.request_id
    assert said(request)[names.HTTP_STATUS] == 200
    assert said(request)[names.FINISH_REASONS] == ("stop",)
    for span in (request, attempt):
        assert said(span)[names.INPUT_TOKENS] == line.input_tokens
        assert said(span)[names.OUTPUT_TOKENS] == line.output_tokens
        assert span.status.status_code is StatusCode.UNSET
    assert said(attempt)[names.PROVIDER] == "vllm"
    assert said(attempt)[names.SERVER_ADDRESS] == "127.0.0.1"
    assert said(attempt)[names.RESULT] == "completed"


async def test_times_are_those_of_the_record() -> None:
    spans = Spans()
    async with stage(watched={"tracer": spans.tracer}) as made:
        await made.ask(stream=True)
    row, (line,) = made.gateway.records.kept[0]
    for span, (started_us, duration_us) in {
        spans.request: (row.started_us, row.duration_us),
        spans.attempts[0]: (line.started_us, line.duration_us),
    }.items():
        assert (span.start_time, span.end_time) == (started_us * 1000, (started_us + duration_us) * 1000)
    assert row.first_token_us is not None
    assert said(spans.request)[names.FIRST_CHUNK_S] == row.first_token_us / 1e6


async def test_a_clients_trace_goes_on_and_the_models_server_is_told_the_attempt() -> None:
    spans = Spans()
    async with stage("500", large=(), watched={"tracer": spans.tracer}) as made:
        await made.ask(headers={"traceparent": PARENT, "tracestate": "a=1"})
    request, attempts = spans.request, spans.attempts
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    trace_id, request_id = id_of(request)
    assert f"{trace_id:032x}" == TRACE
    assert [attempt.parent.span_id for attempt in attempts if attempt.parent] == [request_id] * 2
    told = [seen.headers for seen in made.server.seen.requests]
    assert [headers["traceparent"] for headers in told] == [
        f"00-{TRACE}-{id_of(attempt)[1]:016x}-01" for attempt in attempts
    ]
    assert {headers["tracestate"] for headers in told} == {"a=1"}


async def test_a_trace_of_ones_own_begins_where_the_client_has_none() -> None:
    spans = Spans()
    async with stage(watched={"tracer": spans.tracer}) as made:
        await made.ask(headers={"traceparent": "garbage"})
    assert spans.request.parent is None
    told = made.server.seen.requests[0].headers["traceparent"]
    assert told[:-3] == f"00-{id_of(spans.request)[0]:032x}-{id_of(spans.attempts[0])[1]:016x}"
    assert is_sampled(told)


async def test_what_the_client_does_not_sample_leaves_no_span_and_its_trace_goes_on() -> None:
    spans = Spans(ParentBased(root=ALWAYS_OFF))
    async with stage(watched={"tracer": spans.tracer}) as made:
        await made.ask(headers={"traceparent": f"{PARENT[:-2]}00"})
        await made.ask()
        told = [seen.headers["traceparent"] for seen in made.server.seen.requests]
    assert spans.all == ()
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", told[0])
    assert not is_sampled(told[1])


async def test_a_doubted_answer_is_no_error_and_the_request_says_why_another_model_answered() -> None:
    spans = Spans()
    async with stage(
        large=(),
        v1={"right_logprob": -3.0},
        confidence=threshold(minimum=0.5),
        hold=HOLD_FULL,
        watched={"tracer": spans.tracer},
    ) as made:
        await made.ask(stream=True)
    request, (doubted, answered) = spans.request, spans.attempts
    assert said(request)[names.OUTCOME] == "fallback"
    assert said(request)[names.REASON] == "low_confidence"
    assert said(request)[names.MODEL_ANSWERED] == "large"
    assert said(request)[names.THRESHOLD] == 0.5
    assert said(request)[names.SCORE] == said(doubted)[names.SCORE]
    assert (said(doubted)[names.RESULT], said(doubted)[names.PURPOSE]) == ("doubted", "draft")
    assert (said(answered)[names.RESULT], said(answered)[names.PURPOSE]) == ("completed", "fallback")
    assert {span.status.status_code for span in spans.all} == {StatusCode.UNSET}


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [("500", "upstream_error", 500), ("401", "upstream_auth_error", 401), ("html", "upstream_invalid_response", 200)],
)
async def test_a_failure_is_an_error_of_the_attempt_and_of_the_request_that_it_fails(
    fault: str, kind: str, status: int
) -> None:
    spans = Spans()
    async with stage(fault, watched={"tracer": spans.tracer}) as made:
        answer = await made.ask()
    (attempt,) = spans.attempts
    assert attempt.status.status_code is spans.request.status.status_code is StatusCode.ERROR
    assert said(attempt)[names.ERROR_TYPE] == kind
    assert said(attempt)[names.HTTP_STATUS] == status
    assert said(spans.request)[names.HTTP_STATUS] == answer.status
    assert said(spans.request)[names.OUTCOME] == "failed"


async def test_a_failed_attempt_that_another_makes_good_is_no_error_of_the_request() -> None:
    spans = Spans()
    async with stage("500", large=(), watched={"tracer": spans.tracer}) as made:
        await made.ask()
    assert [span.status.status_code for span in spans.attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert spans.request.status.status_code is StatusCode.UNSET


async def test_a_request_that_the_model_refuses_is_the_clients_fault() -> None:
    spans = Spans()
    async with stage("400", watched={"tracer": spans.tracer}) as made:
        await made.ask()
    assert spans.request.status.status_code is StatusCode.UNSET
    assert said(spans.request)[names.OUTCOME] == "rejected"
    assert said(spans.attempts[0])[names.ERROR_TYPE] == "invalid_request"


async def test_a_model_that_is_switched_off_has_its_span_all_the_same() -> None:
    spans = Spans()
    async with stage(large=(), v1_entry={"is_enabled": False}, watched={"tracer": spans.tracer}) as made:
        await made.ask()
    off, answered = spans.attempts
    assert said(off)[names.ERROR_TYPE] == "no_healthy_upstream"
    assert names.HTTP_STATUS not in said(off)
    assert said(answered)[names.RESULT] == "completed"


async def test_a_stream_that_breaks_off_is_an_error() -> None:
    spans = Spans()
    async with stage("cut:3", watched={"tracer": spans.tracer}) as made:
        await made.ask(stream=True)
    assert spans.request.status.status_code is StatusCode.ERROR
    assert said(spans.request)[names.ERROR_TYPE] == "interrupted"
    assert said(spans.request)[names.IS_STREAM] is True


async def test_a_text_completion_is_one() -> None:
    spans = Spans()
    async with stage(watched={"tracer": spans.tracer}) as made:
        await made.ask(TEXT)
    assert spans.request.name == "text_completion support"
    assert said(spans.request)[names.HTTP_ROUTE] == "/v1/completions"


@pytest.mark.parametrize("fault", [None, "400", "500", "cut:3"])
async def test_nothing_that_was_said_and_no_key_is_in_a_span(fault: str | None) -> None:
    spans = Spans()
    faults = () if fault is None else (fault,)
    async with stage(
        *faults, large=(), v1_entry={"api_key": "sk-planted-secret"}, watched={"tracer": spans.tracer}
    ) as made:
        await made.ask(
            messages=[{"role": "user", "content": PLANTED}],
            user="planted-secret-user",
            stream=fault == "cut:3",
            headers={"x-user-id": "planted-secret-unit", "x-other": "planted-secret-header"},
        )
    written = "".join(span.to_json() for span in spans.all)
    assert "planted" not in written
    assert "a-key-for-tests" not in written
    assert ARM_TEXT[:20] not in written
    assert LARGE_TEXT[:20] not in written


def test_names_are_those_of_the_semantic_conventions() -> None:
    ours = {value for name, value in vars(names).items() if name.isupper()} - {names.CHAT, names.TEXT_COMPLETION}
    theirs = {
        value
        for module in (gen_ai_attributes, error_attributes, http_attributes, server_attributes)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    assert {name for name in ours - theirs if not name.startswith("fallgate.")} == set()
    operations = {one.value for one in gen_ai_attributes.GenAiOperationNameValues}
    assert {names.CHAT, names.TEXT_COMPLETION} <= operations
