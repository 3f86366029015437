"""Counting the calls that are made beside requests."""

from collections.abc import Mapping
from typing import Final

from gateway.metrics.families import DataPlaneMetrics
from gateway.records.rows import AttemptRow
from routing.words import TokenKind

_KINDS: Final = (
    (TokenKind.CACHED_INPUT, "cached_input_tokens"),
    (TokenKind.CACHE_WRITE, "cache_write_tokens"),
    (TokenKind.REASONING, "reasoning_tokens"),
)


def count_row(metrics: DataPlaneMetrics, route: str, row: AttemptRow) -> None:
    """Count one call by what its row says, so that the two add up."""
    metrics.attempts(route, row.model, row.result).inc()
    if row.input_tokens is None or row.output_tokens is None:
        return
    for kind, tokens in _tokens(row, row.input_tokens, row.output_tokens).items():
        if tokens > 0:
            metrics.tokens(route, row.model, kind, row.purpose).inc(tokens)
    if row.cost_nanousd is None:
        metrics.unpriced(row.model).inc()
    else:
        metrics.cost_usd(route, row.model, row.purpose).inc(row.cost_nanousd / 1e9)


def _tokens(row: AttemptRow, input_tokens: int, output_tokens: int) -> Mapping[TokenKind, int]:
    parts: dict[TokenKind, int] = {kind: getattr(row, column) or 0 for kind, column in _KINDS}
    parts[TokenKind.INPUT] = input_tokens - parts[TokenKind.CACHED_INPUT] - parts[TokenKind.CACHE_WRITE]
    parts[TokenKind.OUTPUT] = output_tokens - parts[TokenKind.REASONING]
    return parts
