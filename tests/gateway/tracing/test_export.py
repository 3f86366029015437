"""Spans reach a collector by OTLP over HTTP; one that is dead, slow or refuses them costs spans and nothing else."""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from threading import Event

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from gateway.tracing import export
from gateway.tracing import open as opening
from gateway.tracing.export import QUIET_S, Export, Seldom
from gateway.tracing.open import open_traces
from tests.fakes.asking import stage
from tests.fakes.collector import collector

LINE = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), None)

WITHOUT_TRACES = """
import json, sys
import gateway.worker
from gateway.tracing.open import open_traces
assert open_traces({}, "w1") is None
print(json.dumps([name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))]))
"""


class Stuck(SpanExporter):
    """Never comes back until it is let go."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = Event(), Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.has_begun.set()
        self.may_end.wait()
        return SpanExportResult.SUCCESS


def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


async def ask_with(traces: Export, times: int = 1) -> list[int]:
    async with stage(watched={"tracer": traces.tracer}) as made:
        return [(await made.ask()).status for _ in range(times)]


def set_all(patch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    for name, value in environ.items():
        patch.setenv(name, value)


async def test_spans_reach_a_collector_with_who_sent_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.address,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20collectors-token",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        set_all(monkeypatch, environ)
        traces = open_traces(environ, "w1-00ff")
        assert traces is not None
        assert await ask_with(traces) == [200]
        traces.stop(5)
    assert sorted(span.name for span in collected.spans) == ["chat support", "chat v1"]
    parent, child = sorted(collected.spans, key=lambda span: len(span.parent_span_id))
    assert (child.parent_span_id, child.trace_id) == (parent.span_id, parent.trace_id)
    assert collected.paths == ["/v1/traces"]
    assert collected.headers[0]["authorization"] == "Bearer collectors-token"
    assert collected.resource["service.name"] == "fallgate"
    assert collected.resource["service.instance.id"] == "w1-00ff"
    assert collected.resource["deployment.environment.name"] == "test"


@pytest.mark.parametrize(
    "environ", [{"OTEL_SERVICE_NAME": "edge"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=edge,service.namespace=x"}]
)
async def test_the_environment_names_the_service(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        set_all(monkeypatch, {**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collected.address})
        traces = Export("w1")
        await ask_with(traces)
        traces.stop(5)
    assert collected.resource["service.name"] == "edge"


async def test_the_environment_chooses_the_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.address, "OTEL_TRACES_SAMPLER": "parentbased_always_off"}
        set_all(monkeypatch, environ)
        traces = Export("w1")
        await ask_with(traces)
        traces.stop(5)
    assert collected.exports == []


async def test_a_dead_collector_hurts_no_request_and_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{dead_port()}", "OTEL_BSP_SCHEDULE_DELAY": "10"}
    set_all(monkeypatch, environ)
    traces = Export("w1")
    assert await ask_with(traces, 20) == [200] * 20
    began_s = time.monotonic()
    traces.stop(0.2)
    assert time.monotonic() - began_s < 2
    assert len([line for line in caplog.records if line.name.startswith("opentelemetry.exporter")]) <= 1


async def test_a_collector_that_refuses_is_told_of_and_hurts_no_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with collector(status=400) as collected:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.address, "OTEL_EXPORTER_OTLP_HEADERS": "x-token=planted"}
        set_all(monkeypatch, environ)
        traces = Export("w1")
        assert await ask_with(traces, 3) == [200] * 3
        traces.stop(5)
    (line,) = [line for line in caplog.records if line.name.startswith("opentelemetry.exporter")]
    assert "400" in line.getMessage()
    assert "planted" not in caplog.text


async def test_a_collector_that_never_answers_keeps_neither_requests_nor_the_end_waiting() -> None:
    stuck = Stuck()
    traces = Export("w1", stuck)
    try:
        assert await ask_with(traces, 5) == [200] * 5
        began_s = time.monotonic()
        traces.stop(0.1)
        assert time.monotonic() - began_s < 2
        assert stuck.has_begun.wait(5)
    finally:
        stuck.may_end.set()


def test_errors_of_the_exporter_are_told_once_a_minute() -> None:
    times = iter([0.0, 1.0, QUIET_S - 1, QUIET_S, QUIET_S + 1])
    seldom = Seldom(lambda: next(times))
    assert [seldom.filter(LINE) for _ in range(5)] == [True, False, False, True, False]


def test_what_is_less_than_an_error_is_not_told() -> None:
    assert not Seldom(lambda: 0.0).filter(logging.LogRecord("x", logging.WARNING, "", 0, "retrying", (), None))


def test_a_protocol_that_is_not_known_is_told_and_the_worker_serves_on(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert open_traces(environ, "w1") is None
    assert "no traces: OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in caplog.text


def test_a_value_that_the_exporter_does_not_take_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "10"}
    set_all(monkeypatch, environ)
    assert open_traces(environ, "w1") is None
    assert "no traces: " in caplog.text


def test_without_the_extra_it_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, export.__name__, None)
    assert opening.open_traces({"OTEL_TRACES_EXPORTER": "otlp"}, "w1") is None
    assert "pip install 'fallgate[otel]'" in caplog.text


def test_a_worker_without_traces_imports_nothing_of_them() -> None:
    found = subprocess.run([sys.executable, "-c", WITHOUT_TRACES], check=True, capture_output=True)
    assert json.loads(found.stdout) == []
