"""An event of the log is one line, for people or as JSON, whatever a client put into it."""

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.logs.formats import EVENT, LogFormat, formatter_of

FORGED = 'one\nERROR two \x1b[31mred\u2028{"level": "error"}'


def line(message: str, kind: LogFormat, *args: object, **more: object) -> str:
    record = logging.LogRecord("gateway.test", logging.WARNING, "", 0, message, args, None)
    record.created = 1_780_000_000.25
    record.__dict__.update(more)
    return formatter_of(kind).format(record)


def test_a_line_of_json() -> None:
    parsed = json.loads(line("model %s answers again", LogFormat.JSON, "v1"))
    assert parsed.pop("process") > 0
    assert parsed == {
        "time": "2026-05-28T20:26:40.250000Z",
        "level": "warning",
        "logger": "gateway.test",
        "message": "model v1 answers again",
    }


def test_the_keys_of_an_event_stand_beside_the_others() -> None:
    event = {"route": "support", "confidence": None, "stream": True, "cost_usd": 0.00012}
    parsed = json.loads(line("request", LogFormat.JSON, **{EVENT: event}))
    assert {key: parsed[key] for key in event} == event


def test_people_read_what_is_known_of_an_event() -> None:
    event = {"route": "support", "confidence": None, "stream": True, "cost_usd": 0.00012}
    assert line("request", LogFormat.TEXT, **{EVENT: event}).endswith(
        ": request route=support stream=true cost_usd=0.00012"
    )


def test_json_has_tracebacks_in_one_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        written = line("it failed", LogFormat.JSON, exc_info=sys.exc_info())
    assert "\n" not in written
    assert "ValueError: broken" in json.loads(written)["exception"]


@pytest.mark.parametrize("kind", LogFormat)
@given(text=st.text() | st.just(FORGED) | st.characters(categories=["Cs"]))
def test_nothing_begins_another_line_or_reaches_a_terminal(kind: LogFormat, text: str) -> None:
    written = line("%s", kind, text, **{EVENT: {"route": text}})
    assert written.isprintable()
    if kind is LogFormat.JSON:
        assert json.loads(written)["message"] == text


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="xml"):
        formatter_of("xml")
