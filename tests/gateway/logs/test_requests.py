"""One event a request that is to be logged, with the same keys always, and nothing of what was said."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.logs.event import RequestEvent
from gateway.logs.formats import EVENT, LogFormat, formatter_of
from gateway.logs.requests import RequestLog, log, open_request_log
from routing.answer.policy import HOLD_FULL
from routing.assignment.buckets import draw
from tests.fakes.asking import ARM_TEXT, LARGE_TEXT, Stage, ask, before, stage
from tests.fakes.collector import Spans
from tests.fakes.gateways import HEADERS, threshold
from tests.fakes.raw_upstream import raw_upstream, reply

TRACE = "0af7651916cd43dd8448eb211c80319c"
KEYS = {
    *("request_id", "trace_id", "tenant", "key", "route", "arm", "model", "endpoint", "stream", "bucket", "revision"),
    *("outcome", "reason", "status", "attempts", "finish_reason", "score_name", "score", "confidence", "threshold"),
    *("duration_ms", "first_token_ms", "overhead_ms", "input_tokens", "cached_input_tokens", "output_tokens"),
    *("usage_estimated", "cost_usd"),
}


class Lines(logging.Handler):
    """Keeps what is logged, as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(formatter_of(LogFormat.JSON))
        self.written: list[str] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.written.append(self.format(record))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [getattr(record, EVENT) for record in self.records if hasattr(record, EVENT)]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """All that is logged, by whomever."""
    kept, root = Lines(), logging.getLogger()
    root.addHandler(kept)
    yield kept
    root.removeHandler(kept)


async def ask_once(lines: Lines, *faults: str, share: float = 1.0, request: Any = None, **options: Any) -> Any:
    """Ask with a log of requests; the event."""
    requests = RequestLog(share)
    async with stage(*faults, watched={"request_log": requests, **options.pop("watched", {})}, **options) as made:
        await made.ask(**(request or {}))
        requests.write()
        compare_with_record(made, lines)
    return lines.events[-1]


def compare_with_record(made: Stage, lines: Lines) -> None:
    (row, attempts), event = made.gateway.records.kept[-1], lines.events[-1]
    assert set(event) == KEYS == set(RequestEvent.__annotations__)
    for key in ("request_id", "route", "arm", "model", "outcome", "status", "attempts", "bucket", "confidence"):
        assert event[key] == getattr(row, key)
    assert event["output_tokens"] == sum(attempt.output_tokens or 0 for attempt in attempts)
    assert event["duration_ms"] == row.duration_us / 1000


async def test_a_served_request(lines: Lines) -> None:
    event = await ask_once(lines)
    assert event["outcome"] == "served"
    assert (event["model"], event["key"], event["finish_reason"]) == ("v1", "app", "stop")
    assert event["cost_usd"] is None  # there is no price
    assert lines.records[-1].levelno == logging.INFO


async def test_a_fallback_says_why_and_counts_the_tokens_of_both(lines: Lines) -> None:
    event = await ask_once(
        lines, large=(), v1={"right_logprob": -3.0}, confidence=threshold(minimum=0.5), hold=HOLD_FULL
    )
    assert (event["outcome"], event["reason"], event["model"]) == ("fallback", "low_confidence", "large")
    assert event["attempts"] == 2
    assert event["threshold"] == 0.5


async def test_a_failure_is_a_warning(lines: Lines) -> None:
    event = await ask_once(lines, "500")
    assert (event["outcome"], event["reason"], event["status"], event["model"]) == ("failed", "error", 502, None)
    assert lines.records[-1].levelno == logging.WARNING


async def test_failures_are_logged_whatever_the_share(lines: Lines) -> None:
    event = await ask_once(lines, "500", share=1e-12)
    assert event["outcome"] == "failed"


async def test_what_goes_well_is_sampled_by_its_id(lines: Lines) -> None:
    requests = RequestLog(0.3)
    async with stage(watched={"request_log": requests}) as made:
        for _ in range(60):
            await made.ask()
        requests.write()
        ids = [row.request_id for row, _ in made.gateway.records.kept]
    expected = [one for one in ids if draw("", "log", one) < 0.3]
    assert [event["request_id"] for event in lines.events] == expected
    assert 0 < len(expected) < 60


async def test_the_clients_trace_is_named_where_no_spans_are_made(lines: Lines) -> None:
    event = await ask_once(lines, request={"headers": {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}})
    assert event["trace_id"] == TRACE


async def test_the_trace_is_named_that_the_spans_have(lines: Lines) -> None:
    spans = Spans()
    event = await ask_once(lines, watched={"tracer": spans.tracer})
    context = spans.request.get_span_context()
    assert context is not None
    assert event["trace_id"] == f"{context.trace_id:032x}"


async def test_what_finds_no_room_is_counted_and_the_rest_is_logged(lines: Lines) -> None:
    requests = RequestLog(1.0, max_waiting=2)
    async with stage(watched={"request_log": requests}) as made:
        for _ in range(5):
            await made.ask()
    requests.write()
    requests.write()
    assert len(lines.events) == 2
    assert [record.getMessage() for record in lines.records if record.levelno == logging.WARNING] == [
        "3 requests are missing from this log: what reads it was too slow"
    ]


async def test_its_thread_writes_what_is_left_at_the_end(lines: Lines) -> None:
    requests = open_request_log(1.0)
    assert requests is not None
    async with stage(watched={"request_log": requests}) as made:
        await made.ask()
    requests.stop(5)
    assert len(lines.events) == 1


def test_a_share_of_nothing_is_no_log_at_all() -> None:
    assert open_request_log(0.0) is None


def test_requests_are_logged_however_little_else_is() -> None:
    root = logging.getLogger()
    before_level = root.level
    root.setLevel(logging.ERROR)
    try:
        assert log.isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before_level)


ERROR_BODY = json.dumps(
    {"error": {"message": "planted-body: you asked planted-prompt", "type": "x", "code": "planted"}}
)
ODD = {
    "id": "planted words",
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "planted"}, "finish_reason": "planted-reason"}
    ],
}


@pytest.mark.parametrize(
    "answer",
    [
        reply(ERROR_BODY.encode(), status="500 planted"),
        reply(ERROR_BODY.encode(), status="400 planted"),
        reply(ERROR_BODY.encode(), status="429 planted"),
        reply(b"<html>planted</html>"),
        reply(json.dumps(ODD).encode()),
    ],
    ids=["a fault", "a refusal", "too busy", "a page", "an answer with odd words"],
)
async def test_nothing_that_was_said_and_no_secret_is_ever_logged(answer: Any, lines: Lines) -> None:
    requests = RequestLog(1.0)
    spans = Spans()
    watched = {"tracer": spans.tracer, "request_log": requests}
    async with raw_upstream([answer]) as upstream, before(upstream.base_url, watched=watched) as made:
        await ask(
            made,
            path="/v1/chat/completions?key=planted-query",
            messages=[{"role": "user", "content": "planted-prompt"}],
            user="planted-user",
            headers={"x-user-id": "planted-unit", "x-other": "planted-header", "cookie": "planted-cookie"},
        )
        await made.until_finished(1)
    requests.write()
    assert lines.events
    written = "\n".join([*lines.written, *(span.to_json() for span in spans.all)])
    assert re.findall("planted[a-z-]*", written) == []
    assert HEADERS["authorization"].split()[1] not in written


async def test_no_answer_is_logged(lines: Lines) -> None:
    await ask_once(lines, large=(), request={"stream": True})
    written = "".join(lines.written)
    assert ARM_TEXT[:20] not in written
    assert LARGE_TEXT[:20] not in written
