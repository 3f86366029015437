"""Lines of the log: for people, or as JSON. Either way an event is one line, whatever a client put into it."""

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

EVENT: Final = "event"
"""The attribute of a log record that holds an event's own keys."""


class LogFormat(StrEnum):
    """How lines are written."""

    TEXT = "text"
    JSON = "json"


def formatter_of(kind: str) -> logging.Formatter:
    """The formatter of a format. Raises `ValueError` for what is none."""
    return JsonLines() if LogFormat(kind) is LogFormat.JSON else TextLines()


class TextLines(logging.Formatter):
    """Escapes what a client might have put into a message to forge lines or colours; tracebacks stay readable."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        event = getattr(record, EVENT, None)
        if event is not None:
            message = " ".join(
                [message, *(f"{key}={_plain(value)}" for key, value in event.items() if value is not None)]
            )
        record.message = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
        return super().formatMessage(record)


class JsonLines(logging.Formatter):
    """One object a line: `time`, `level`, `logger`, `process`, `message`, an event's own keys, and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """A line, in ASCII."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        line: dict[str, object] = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **getattr(record, EVENT, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
