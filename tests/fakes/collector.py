"""A collector of traces: OTLP over HTTP, over a real socket, in threads of its own; or one that only keeps spans."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import SpanKind

from gateway.tracing.spans import RequestTracer


class Spans:
    """Keeps the spans of a tracer."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer = RequestTracer(provider.get_tracer("test"))

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        """In the order in which they ended."""
        return self._kept.get_finished_spans()

    @property
    def request(self) -> ReadableSpan:
        """The only request's."""
        (span,) = (span for span in self.all if span.kind is SpanKind.SERVER)
        return span

    @property
    def attempts(self) -> list[ReadableSpan]:
        """In the order in which they began."""
        return [span for span in self.all if span.kind is SpanKind.CLIENT]


@dataclass(slots=True)
class Collected:
    """What a collector was sent."""

    address: str = ""
    status: int = 200
    exports: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def spans(self) -> list[Any]:
        """All of them."""
        return [
            span
            for export in self.exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resource(self) -> dict[str, str]:
        """Who sent them."""
        (first, *_) = (resource for export in self.exports for resource in export.resource_spans)
        return {pair.key: pair.value.string_value for pair in first.resource.attributes}


@contextmanager
def collector(status: int = 200) -> Iterator[Collected]:
    """Take in what is sent to a free port of 127.0.0.1, and answer with a status."""
    collected = Collected(status=status)

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collected.paths.append(self.path)
            collected.headers.append({name.lower(): value for name, value in self.headers.items()})
            collected.exports.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(collected.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        collected.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="collector")
        thread.start()
        try:
            yield collected
        finally:
            server.shutdown()
            thread.join()
