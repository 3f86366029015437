"""What tests of exchanges expect again and again."""

import pytest

from tests.fakes.asking import LARGE_TEXT, Answer, Stage

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def assert_replaced(made: Stage, answer: Answer, *, reason: str, result: str) -> None:
    """The fallback answered, once, and everybody says why."""
    assert (answer.status, answer.text) == (200, LARGE_TEXT)
    assert answer.headers["x-gateway-fallback"] == reason
    assert answer.headers["x-gateway-attempts"] == "2"
    assert answer.headers["x-gateway-model"] == "large"
    assert answer.headers["x-gateway-arm"] == "v1"
    assert answer.headers["x-request-id"] == made.last.head.request_id
    assert (made.last.outcome, made.last.reason) == ("fallback", reason)
    assert made.results == [result, "completed"]
    row, attempts = made.gateway.records.kept[-1]
    assert (row.outcome, row.reason, row.status, row.attempts, row.model) == ("fallback", reason, 200, 2, "large")
    assert [attempt.purpose for attempt in attempts] == ["draft", "fallback"]
    assert made.calls("large") == 1


def assert_failed(answer: Answer, *, status: int, code: str | None, type: str = "api_error", message: str = "") -> None:
    """An error of the one shape."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert (answer.error["type"], answer.error["code"], answer.error["param"]) == (type, code, None)
    assert message in answer.error["message"]
