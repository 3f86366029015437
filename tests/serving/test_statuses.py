"""What an upstream's status means, and how long it wants to be left alone."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.words import Reason
from serving.errors import Busy, Faulted, ModelMissing, RequestRejected, Unauthorized, UpstreamError
from serving.statuses import error_of, retry_after

NOW_US = 1_800_000_000_000_000


def at(seconds: float) -> bytes:
    return format_datetime(datetime.fromtimestamp(NOW_US / 1e6 + seconds, UTC), usegmt=True).encode()


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        *[(status, Unauthorized, Reason.ERROR) for status in (401, 403)],
        (404, ModelMissing, Reason.ERROR),
        (429, Busy, Reason.UNAVAILABLE),
        *[
            (status, Faulted, Reason.ERROR)
            for status in (201, 204, 301, 302, 307, 405, 408, 409, 418, 500, 502, 503, 504)
        ],
    ],
)
def test_cases_72_to_77_and_97_what_a_status_means(status: int, error: type[UpstreamError], reason: Reason) -> None:
    made = error_of(status, {}, b"secret", NOW_US)
    assert type(made) is error
    assert (made.reason, made.upstream_status, made.is_upstreams_fault) == (reason, status, True)
    assert "secret" not in str(made)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_case_75_a_refusal_is_normalised(status: int) -> None:
    fields = {"message": "too hot", "type": "BadRequestError", "param": "temperature", "code": 400}
    made = error_of(status, {}, json.dumps({"error": fields}).encode(), NOW_US)
    assert isinstance(made, RequestRejected)
    assert (str(made), made.param, made.error_code) == ("too hot", "temperature", None)
    assert (made.upstream_status, made.is_upstreams_fault) == (status, False)


@pytest.mark.parametrize(("code", "kept"), [("bad_thing", "bad_thing"), ("400", None), (400, None), (None, None)])
def test_case_75_only_a_word_is_a_code(code: object, kept: str | None) -> None:
    made = error_of(400, {}, json.dumps({"error": {"message": "x", "code": code}}).encode(), NOW_US)
    assert isinstance(made, RequestRejected)
    assert made.error_code == kept


def test_case_25_a_prompt_that_is_too_long_has_its_code() -> None:
    sentence = "This model's maximum context length is 5 tokens. However, you requested 9."
    made = error_of(400, {}, json.dumps({"error": {"message": sentence, "code": 400}}).encode(), NOW_US)
    assert isinstance(made, RequestRejected)
    assert made.error_code == "context_length_exceeded"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"error": "x"}',
        b'{"error": {"message": 5}}',
        b'{"detail": "x"}',
        b'{"error": {"message": "\xff"}}',
    ],
)
def test_case_75_a_refusal_without_a_readable_reason_has_one_all_the_same(body: bytes) -> None:
    made = error_of(422, {}, body, NOW_US)
    assert isinstance(made, RequestRejected)
    assert str(made) == "the model's server refuses this request"


def test_case_75_an_endless_reason_is_cut() -> None:
    made = error_of(400, {}, json.dumps({"error": {"message": "x" * 10**6}}).encode(), NOW_US)
    assert len(str(made)) == 2000


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"30"}, 30.0),
        ({b"retry-after": b"0"}, 0.0),
        ({b"retry-after": b"1.5"}, 1.5),
        ({b"retry-after": b"-5"}, 0.0),
        ({b"retry-after": b"1e9"}, 120.0),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b""}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": at(30)}, 30.0),
        ({b"retry-after": at(-30)}, 0.0),
        ({b"retry-after": at(10_000)}, 120.0),
        ({b"retry-after-ms": b"1500"}, 1.5),
        ({b"retry-after-ms": b"1500", b"retry-after": b"9"}, 1.5),
        ({b"retry-after-ms": b"x", b"retry-after": b"9"}, 9.0),
    ],
)
def test_case_74_retry_after(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert retry_after(headers, NOW_US) == (None if seconds is None else pytest.approx(seconds))


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_case_74_no_retry_after_is_ever_a_bug(value: bytes, milliseconds: bytes) -> None:
    seconds = retry_after({b"retry-after": value, b"retry-after-ms": milliseconds}, NOW_US)
    assert seconds is None or 0 <= seconds <= 120


@pytest.mark.parametrize(("status", "kept"), [(429, 7.0), (503, 7.0), (500, None), (504, None)])
def test_only_a_429_and_a_503_ask_to_be_left_alone(status: int, kept: float | None) -> None:
    assert error_of(status, {b"retry-after": b"7"}, b"", NOW_US).retry_after_s == kept
