"""Why a model stopped, as it may be shown outside of records."""

from typing import Final

OTHER: Final = "other"
_KNOWN: Final = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter", "abort"})


def shown_finish_reason(reason: str | None) -> str | None:
    """The reason if it is one of those that are known. An upstream may say anything, even what it was asked."""
    return reason if reason is None or reason in _KNOWN else OTHER
