"""The closed sets of words that the core, the records, the metrics and the headers share."""

from enum import StrEnum
from typing import NewType

ModelName = NewType("ModelName", str)
"""The name of an entry of `models:`."""

RouteName = NewType("RouteName", str)
"""The name of an entry of `routes:`, which is what a client sends as `model`."""


class Reason(StrEnum):
    """Why the fallback answers instead of the arm, or should have."""

    ERROR = "error"
    TIMEOUT = "timeout"
    INVALID = "invalid"
    """Empty, malformed, refused or content-filtered."""
    LOW_CONFIDENCE = "low_confidence"
    UNAVAILABLE = "unavailable"
    """The breaker is open, the model is switched off, or the upstream said 429."""


class Outcome(StrEnum):
    """How a request ended, seen from the client."""

    SERVED = "served"
    FALLBACK = "fallback"
    DEGRADED = "degraded"
    REJECTED = "rejected"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The upstream died after the commit; the stream ended with an error event."""
    CLIENT_CLOSED = "client_closed"


class Result(StrEnum):
    """How one attempt ended."""

    COMPLETED = "completed"
    DOUBTED = "doubted"
    INVALID = "invalid"
    ERROR = "error"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class HardGate(StrEnum):
    """What an answer must pass before any score counts; whoever does not is no answer, and falls back."""

    TRANSPORT = "transport"
    """It came, in time and whole."""
    EMPTY = "empty"
    REFUSED = "refused"
    CONTENT_FILTER = "content_filter"
    INVALID_STRUCTURE = "invalid_structure"
    """It is a completion, and the JSON or the tool call that was asked for."""


class Purpose(StrEnum):
    """What an attempt was paid for. A draft is an attempt that was not served."""

    SERVE = "serve"
    DRAFT = "draft"
    FALLBACK = "fallback"
    SHADOW = "shadow"
    AUDIT = "audit"
    JUDGE = "judge"
    PROBE = "probe"


class TokenKind(StrEnum):
    """What a token is billed as."""

    INPUT = "input"
    CACHED_INPUT = "cached_input"
    CACHE_WRITE = "cache_write"
    OUTPUT = "output"
    REASONING = "reasoning"
