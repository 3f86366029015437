"""From the facts of a request to its spans.

A request's span begins when it arrives, an attempt's when its model is called, so that the model's server can be told
its parent. What they say is taken from the rows of the request's record, once it has ended. That makes nothing on the
way of a request but the spans themselves, and nothing in them but what records may hold.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.exchange.facts import Attempt, Exchange
from gateway.exchange.finish_reason import shown_finish_reason
from gateway.records.rows import AttemptRow, RequestRow
from gateway.tracing import attributes as names
from gateway.tracing.context import TRACEPARENT, TRACESTATE, lines_of
from routing.words import Outcome, Result

SYSTEM: Final = "fallgate"
"""Who answers a request, as far as its client can tell."""
_propagator: Final = TraceContextTextMapPropagator()
_FAILURES: Final = frozenset({Outcome.FAILED, Outcome.INTERRUPTED})
_FAULTS: Final = frozenset({Result.INVALID, Result.ERROR, Result.TIMEOUT, Result.UNAVAILABLE, Result.REJECTED})
_ANSWER_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

Value = str | int | float | bool | Sequence[str] | None


class RequestTracer:
    """Begins the trace of every request, or goes on with its client's."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(self, exchange: Exchange) -> "RequestTrace":
        """A request has arrived."""
        span = self._tracer.start_span(
            f"{_operation(exchange)} {exchange.route.name}",
            context=_parent(exchange.head.headers),
            kind=SpanKind.SERVER,
            start_time=exchange.head.arrived_us * 1000,
        )
        return RequestTrace(self._tracer, span, exchange)


class RequestTrace:
    """The spans of one request."""

    __slots__ = ("_attempts", "_exchange", "_span", "_tracer")

    def __init__(self, tracer: Tracer, span: Span, exchange: Exchange) -> None:
        self._tracer = tracer
        self._span = span
        self._exchange = exchange
        self._attempts: dict[int, Span] = {}

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def outbound(self, attempt: Attempt) -> bytes:
        """Lines of headers that make an attempt the parent of what the model's server does."""
        context = self._span_of(attempt).get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return lines_of(parent.encode(), context.trace_state.to_header().encode())

    def finish(self, row: RequestRow, attempts: Sequence[AttemptRow]) -> None:
        """It has ended; the rows are of its record."""
        if not self._span.is_recording():
            return
        exchange = self._exchange
        for attempt, line in zip(exchange.attempts, attempts, strict=True):
            span = self._span_of(attempt)
            _set(span, {**_asked(exchange, attempt), **_came_of(attempt, line), **_used(line)})
            if line.result in _FAULTS:
                _fail(span, attempt.error.code if attempt.error is not None else attempt.flaw or line.result)
            span.end((line.started_us + line.duration_us) * 1000)
        served = exchange.served
        usage = {} if served is None else _used(attempts[served.number - 1])
        _set(self._span, {**usage, **_who(exchange, row), **_outcome(row), **_worth(row)})
        if row.outcome in _FAILURES:
            _fail(self._span, row.reason or row.outcome)
        self._span.end((row.started_us + row.duration_us) * 1000)

    def _span_of(self, attempt: Attempt) -> Span:
        """An attempt that never came to a call has its span all the same, made at the end."""
        span = self._attempts.get(attempt.number)
        if span is None:
            exchange = self._exchange
            since_us = round((attempt.started_s - exchange.started_s) * 1e6)
            span = self._attempts[attempt.number] = self._tracer.start_span(
                f"{_operation(exchange)} {attempt.live.upstream.address.model}",
                context=set_span_in_context(self._span),
                kind=SpanKind.CLIENT,
                start_time=(exchange.head.arrived_us + since_us) * 1000,
            )
        return span


def _parent(headers: Mapping[bytes, bytes]) -> Context:
    """What the client says that its request is a part of; nothing where that is no trace."""
    if TRACEPARENT not in headers:
        return Context()
    carrier = {name.decode(): headers[name].decode("latin-1") for name in (TRACEPARENT, TRACESTATE) if name in headers}
    return _propagator.extract(carrier, Context())


def _operation(exchange: Exchange) -> str:
    return names.CHAT if exchange.inquiry.is_chat else names.TEXT_COMPLETION


def _who(exchange: Exchange, row: RequestRow) -> dict[str, Value]:
    return {
        names.OPERATION: _operation(exchange),
        names.PROVIDER: SYSTEM,
        names.MODEL_ASKED: row.route,
        names.MODEL_ANSWERED: row.model,
        names.IS_STREAM: row.is_stream,
        names.CHOICES: exchange.inquiry.choices if exchange.inquiry.choices != 1 else None,
        names.HTTP_METHOD: "POST",
        names.HTTP_ROUTE: f"/v1{row.endpoint}",
        names.REQUEST_ID: row.request_id,
        names.TENANT: row.tenant,
        names.ROUTE: row.route,
        names.ARM: row.arm,
        names.BUCKET: row.bucket,
        names.REVISION: row.revision,
    }


def _outcome(row: RequestRow) -> dict[str, Value]:
    return {
        names.HTTP_STATUS: row.status,
        names.OUTCOME: row.outcome,
        names.REASON: row.reason,
        names.ATTEMPTS: row.attempts,
        names.FINISH_REASONS: _finish_reasons(row.finish_reason),
        names.FIRST_CHUNK_S: _seconds(row.first_token_us),
        names.COST_USD: _usd(row.cost_nanousd),
    }


def _worth(row: RequestRow) -> dict[str, Value]:
    return {
        names.SCORE_NAME: row.score_name,
        names.SCORE: row.score,
        names.CONFIDENCE: row.confidence,
        names.CALIBRATION: row.calibration,
        names.THRESHOLD: row.threshold,
    }


def _asked(exchange: Exchange, attempt: Attempt) -> dict[str, Value]:
    address = attempt.live.upstream.address
    host, port = _server(address.base_url)
    return {
        names.OPERATION: _operation(exchange),
        names.PROVIDER: address.provider,
        names.MODEL_ASKED: address.model,
        names.MODEL: attempt.model,
        names.IS_STREAM: exchange.inquiry.is_stream,
        names.SERVER_ADDRESS: host,
        names.SERVER_PORT: port,
        names.ATTEMPT: attempt.number,
    }


def _came_of(attempt: Attempt, line: AttemptRow) -> dict[str, Value]:
    answer_id = attempt.answer_id
    return {
        names.PURPOSE: line.purpose,
        names.RESULT: line.result,
        names.REASON: line.reason,
        names.HTTP_STATUS: line.upstream_status if attempt.ended_s is not None else None,
        names.ANSWER_ID: answer_id if answer_id is not None and _ANSWER_ID.fullmatch(answer_id) else None,
        names.FINISH_REASONS: _finish_reasons(attempt.finish_reason),
        names.FIRST_CHUNK_S: _seconds(line.first_token_us),
        names.SCORE: line.score,
        names.COST_USD: _usd(line.cost_nanousd),
    }


def _used(line: AttemptRow) -> dict[str, Value]:
    return {
        names.INPUT_TOKENS: line.input_tokens,
        names.CACHED_INPUT_TOKENS: line.cached_input_tokens,
        names.CACHE_WRITE_TOKENS: line.cache_write_tokens,
        names.OUTPUT_TOKENS: line.output_tokens,
        names.REASONING_TOKENS: line.reasoning_tokens,
        names.IS_USAGE_ESTIMATED: line.usage_estimated or None,
    }


def _set(span: Span, values: Mapping[str, Value]) -> None:
    """What is not known or does not apply is left out. Members of a `StrEnum` are made plain."""
    for name, value in values.items():
        if value is not None:
            span.set_attribute(name, str(value) if isinstance(value, str) else value)


def _fail(span: Span, kind: str) -> None:
    """By a word of a closed set; the texts of errors may be a server's own."""
    span.set_attribute(names.ERROR_TYPE, str(kind))
    span.set_status(Status(StatusCode.ERROR))


def _finish_reasons(reason: str | None) -> tuple[str, ...] | None:
    shown = shown_finish_reason(reason)
    return None if shown is None else (shown,)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6


def _usd(nanousd: int | None) -> float | None:
    return None if nanousd is None else nanousd / 1e9


@lru_cache(maxsize=1024)
def _server(base_url: str) -> tuple[str | None, int]:
    """Host and port, without any name and password that the address may hold."""
    parts = urlsplit(base_url)
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
