"""Lines of the ledger: what the attempts of one hour used and cost, by route, model and purpose."""

from dataclasses import dataclass
from typing import Final

from routing.words import ModelName

COUNTS: Final = (
    *("requests", "attempts", "unpriced", "estimated"),
    *("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    "cost_nanousd",
)
"""What is added up in a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """All attempts with one model for one purpose, of the requests of a route that arrived in an hour."""

    hour_us: int
    """When the hour began, UTC microseconds since 1970."""
    route: str
    model: ModelName
    purpose: str
    requests: int = 0
    """Attempts that are the first of their request: over all lines of a route, its requests that reached a model."""
    attempts: int = 0
    unpriced: int = 0
    """Attempts that used tokens whose price is unknown. They are not in the cost."""
    estimated: int = 0
    """Attempts whose tokens the gateway counted, since their model reported none."""
    input_tokens: int = 0
    """Without the cached and the written ones; kinds are told apart as they are billed."""
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """Without those of reasoning."""
    reasoning_tokens: int = 0
    cost_nanousd: int = 0
