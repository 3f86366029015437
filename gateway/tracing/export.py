"""Spans on their way to a collector: OTLP over HTTP, in batches, from a thread of its own.

Everything about it is said by OpenTelemetry's standard variables, which its SDK reads: address, headers, name of the
service, sampler (of the client's trace, unless it says otherwise), size of batches. A collector that is down costs
spans and nothing else: at most 2,048 of them wait, the newest are kept, and the log says so once a minute.
"""

import logging
from collections.abc import Callable
from importlib.metadata import version
from threading import Thread
from time import monotonic
from typing import Final

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from gateway.tracing.spans import SYSTEM, RequestTracer

QUIET_S: Final = 60.0
"""Between two complaints of the exporter's."""


class Export:
    """Makes tracers whose spans are sent."""

    def __init__(self, instance: str, exporter: SpanExporter | None = None) -> None:
        """`instance` is the process's own name; `exporter` by default the one that the environment describes.

        Raises:
            ValueError: a variable of the environment has no value that it may have.
        """
        if exporter is None:
            exporter = trace_exporter.OTLPSpanExporter()
            logging.getLogger(trace_exporter.__name__).addFilter(Seldom(monotonic))
        # Ended by `stop` alone, which takes no longer than it is told to.
        self._provider = TracerProvider(resource=_resource(instance), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = RequestTracer(self._provider.get_tracer(SYSTEM, version("fallgate")))

    def stop(self, timeout_s: float) -> None:
        """Send what is left, for as long as that; a collector that does not answer must not keep the process."""
        thread = Thread(target=self._provider.shutdown, name="traces end", daemon=True)
        thread.start()
        thread.join(timeout_s)


class Seldom(logging.Filter):
    """Lets an error through once in a while, and what is less than an error never."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._quiet_until_s = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written."""
        now_s = self._clock()
        if record.levelno < logging.ERROR or now_s < self._quiet_until_s:
            return False
        self._quiet_until_s = now_s + QUIET_S
        return True


def _resource(instance: str) -> Resource:
    """Who sends the spans. What the environment says of it goes before what we would say."""
    ours = {SERVICE_NAME: SYSTEM, SERVICE_VERSION: version("fallgate"), SERVICE_INSTANCE_ID: instance}
    return Resource.create(ours).merge(OTELResourceDetector().detect())
