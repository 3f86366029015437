"""Requests that are wrong: an error of the one shape that names the field, and no call to any model."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.asking import CHAT, TEXT, Answer, Stage, Wire, post, question, stage
from tests.fakes.gateways import HEADERS, NARROW_SECRET, OPERATOR_SECRET, SECRET, TESTER_SECRET

DEEP = b"[" * 100_000


@pytest.fixture
async def made() -> AsyncIterator[Stage]:
    async with stage(large=()) as made:
        yield made
        assert not made.server.seen.calls  # whatever was wrong, no model was asked
        assert (await made.ask()).status == 200


def assert_refused(
    answer: Answer,
    status: int = 400,
    *,
    param: str | None = None,
    code: str | None = None,
    type: str = "invalid_request_error",
) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 36
    assert "x-gateway-route" not in answer.headers
    assert (answer.error["type"], answer.error["param"], answer.error["code"]) == (type, param, code)


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"model=support", id="1 not json"),
        pytest.param(b'{"model": "support"', id="1 cut off"),
        pytest.param(b"{'model': 'support'}", id="1 single quotes"),
        pytest.param(b"", id="3 empty"),
        pytest.param(b" \r\n", id="3 blank"),
        pytest.param(DEEP, id="4 deep array"),
        pytest.param(b'{"a":' * 100_000, id="4 deep object"),
        pytest.param(b'{"model": "support", "x": ' + DEEP[:2000] + b'NaN, "messages": []}', id="4 deep, with NaN"),
        pytest.param(b'{"messages": [{"role": "user", "content": "\\ud800"}]}', id="7 lone surrogate"),
        pytest.param(b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', id="9 not utf-8"),
        pytest.param(b'\xef\xbb\xbf{"model": "support"}', id="10 byte order mark"),
        pytest.param('{"model": "support"}'.encode("utf-16"), id="9 utf-16"),
    ],
)
async def test_cases_1_to_10_a_body_that_is_not_json(made: Stage, body: bytes, path: str) -> None:
    assert_refused(await made.ask(path, content=body), code="invalid_json")


@pytest.mark.parametrize("body", [b'"text"', b"[]", b"[{}]", b"17", b"1.5", b"true", b"null"])
async def test_case_2_a_body_that_is_json_but_no_object(made: Stage, body: bytes) -> None:
    answer = await made.ask(content=body)
    assert_refused(answer)
    assert "must be a JSON object" in answer.error["message"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
async def test_case_5_a_temperature_that_is_no_number(made: Stage, number: str) -> None:
    body = json.dumps(question(temperature=0)).replace('"temperature": 0', f'"temperature": {number}')
    assert_refused(await made.ask(content=body.encode()), param="temperature", code="invalid_json")


async def test_case_6_an_integer_of_five_thousand_digits(made: Stage) -> None:
    body = json.dumps(question(max_tokens=0)).replace('"max_tokens": 0', '"max_tokens": ' + "9" * 5000)
    assert_refused(await made.ask(content=body.encode()), param="max_tokens", code="invalid_json")


async def test_case_8_of_a_repeated_key_the_last_counts_for_the_gateway_and_the_upstream() -> None:
    twice = b'{"model": "unknown", "model": "support", "seed": 1, "seed": 2, '
    body = twice + b'"messages": [{"role": "user", "content": "hi"}]}'
    async with stage() as made:
        assert (await made.ask(content=body)).status == 200
        assert made.server.seen.requests[0].body["seed"] == 2
        assert made.server.seen.requests[0].model == "v1"
        assert (await made.ask(content=body.replace(b'"support"', b'"other"'))).status == 404


async def test_case_11_a_nul_in_the_prompt_is_served() -> None:
    async with stage() as made:
        assert (await made.ask(messages=[{"role": "user", "content": "a\x00b"}])).status == 200
        assert made.server.seen.requests[0].body["messages"][0]["content"] == "a\x00b"


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; a=b"])
async def test_case_12_another_media_type_is_refused(made: Stage, media: str) -> None:
    assert_refused(await made.ask(headers={"content-type": media}), 415)


@pytest.mark.parametrize(
    "line", [b"", b"content-type: application/json; charset=utf-8\r\n", b"content-type: a/b+JSON\r\n"]
)
async def test_case_12_a_missing_media_type_is_taken_for_json(line: bytes) -> None:
    async with stage() as made, Wire.to(made.gateway) as wire:
        wire.send(post(question()).replace(b"content-type: application/json\r\n", line))
        assert (await wire.answer()).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip, gzip", "br", "deflate"])
async def test_cases_13_to_15_compressed_requests_are_refused_unread(made: Stage, encoding: str) -> None:
    assert_refused(await made.ask(headers={"content-encoding": encoding}, content=b"\x1f\x8b\x08"), 415)


@pytest.mark.parametrize(
    ("name", "key"),
    [("unknown", SECRET), ("other", SECRET), ("support", NARROW_SECRET), ("x" * 3000, SECRET), ("v1", SECRET)],
    ids=["19 unknown", "19 unknown too", "20 not allowed", "19 long", "19 a model is no route"],
)
async def test_cases_19_and_20_an_unknown_route_and_one_that_is_not_allowed_look_alike(
    made: Stage, name: str, key: str
) -> None:
    answer = await made.ask(model=name, headers={"authorization": f"Bearer {key}"})
    assert_refused(answer, 404, param="model", code="model_not_found")
    sentence = f"the model {name[:100]!r} does not exist; GET /v1/models lists those that do"
    assert answer.error["message"] == sentence


@pytest.mark.parametrize("value", [None, "", 5, ["support"], {}])
async def test_a_model_that_is_no_name(made: Stage, value: Any) -> None:
    assert_refused(await made.ask(model=value), param="model")


@pytest.mark.parametrize("value", [None, [], "hello", {}, 5, True])
async def test_case_21_messages_missing_or_no_list(made: Stage, value: Any) -> None:
    assert_refused(await made.ask(messages=value), param="messages")


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("hello", "messages.0"),
        (None, "messages.0"),
        ({}, "messages.0.role"),
        ({"role": "wizard", "content": "x"}, "messages.0.role"),
        ({"role": [], "content": "x"}, "messages.0.role"),
        ({"role": {"a": 1}, "content": "x"}, "messages.0.role"),
        ({"role": "user", "content": 5}, "messages.0.content"),
        ({"role": "user", "content": {"text": "x"}}, "messages.0.content"),
        ({"role": "user", "content": ["x"]}, "messages.0.content.0"),
        ({"role": "user", "content": [{"text": "x"}]}, "messages.0.content.0"),
        ({"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "hologram"}]}, "messages.0.content.1"),
        ({"role": "user", "content": [{"type": ["text"]}]}, "messages.0.content.0"),
    ],
)
async def test_case_22_a_message_that_is_none(made: Stage, message: Any, param: str) -> None:
    assert_refused(await made.ask(messages=[message]), param=param)


OUT_OF_BOUNDS: dict[str, tuple[Any, ...]] = {
    "n": (0, -1, 65, 16385, 10**9, 10**30, 1.5, "2", True),
    "max_tokens": (-1, 1.5, "many", 10**18),
    "max_completion_tokens": (-1, "many"),
    "top_logprobs": (-1, 21, "5", 1.0),
    "temperature": ("hot", True, []),
    "stream": (1, "true", []),
    "stream_options": (True, "x", []),
    "logprobs": (1, "yes"),
    "user": (1, ["u"], {}),
    "tools": ({},),
    "metadata": ([],),
    "response_format": ("json", {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"name": "x"}}),
    **dict.fromkeys(("api_base", "base_url", "api_key", "chat_template", "prompt_embeds"), ("x",)),
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in OUT_OF_BOUNDS.items() for value in values]
)
async def test_cases_23_to_35_a_field_out_of_bounds(made: Stage, field: str, value: Any) -> None:
    fields = {"logprobs": True, field: value} if field == "top_logprobs" else {field: value}
    assert_refused(await made.ask(**fields), param=field)


async def test_case_26_top_logprobs_without_logprobs(made: Stage) -> None:
    assert_refused(await made.ask(top_logprobs=5), param="top_logprobs")


async def test_case_24_both_limits_are_passed_on_as_they_are() -> None:
    async with stage() as made:
        await made.ask(max_tokens=5, max_completion_tokens=7)
        body = made.server.seen.requests[0].body
        assert (body["max_tokens"], body["max_completion_tokens"]) == (5, 7)


async def test_case_25_a_prompt_beyond_the_context_is_the_clients_to_shorten() -> None:
    async with stage(large=(), v1={"max_model_len": 5}) as made:
        answer = await made.ask(messages=[{"role": "user", "content": "one two three four five six"}])
        assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
        assert "maximum context length is 5 tokens" in answer.error["message"]
        assert (made.last.outcome, made.calls("v1"), made.calls("large")) == ("rejected", 1, 0)


@pytest.mark.parametrize("value", [None, [], "", 5, {}])
async def test_a_prompt_that_is_none(made: Stage, value: Any) -> None:
    assert_refused(await made.ask(TEXT, prompt=value), param="prompt")


async def test_a_forced_arm_needs_the_scope_and_an_arm_of_the_route(made: Stage) -> None:
    answer = await made.ask(headers={"x-gateway-force-arm": "v1"})
    assert_refused(answer, 403, code="insufficient_scope", type="permission_error")
    tester = {"authorization": f"Bearer {TESTER_SECRET}", "x-gateway-force-arm": "large"}
    assert_refused(await made.ask(headers=tester))


async def test_case_62_a_key_without_inference_may_not_infer(made: Stage) -> None:
    answer = await made.ask(headers={"authorization": f"Bearer {OPERATOR_SECRET}"})
    assert_refused(answer, 403, code="insufficient_scope", type="permission_error")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["model", "messages", "prompt", "stream", "stream_options", "n", "max_tokens", "logprobs", "top_logprobs", "user",
     "tools", "metadata", "response_format", "logit_bias", "stop", "safety_identifier", "best_of", "temperature"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bodies=st.lists(st.dictionaries(FIELDS, JSON, max_size=3), min_size=5, max_size=5),
    path=st.sampled_from([CHAT, TEXT]),
)
async def test_no_field_of_any_type_is_ever_a_500(bodies: list[dict[str, Any]], path: str) -> None:
    async with stage() as made, Wire.to(made.gateway) as wire:
        whole = question() if path == CHAT else {"model": "support", "prompt": "x"}
        for body in bodies:
            wire.send(post({**whole, **body}, path))
            answer = await wire.answer()
            assert answer.status in (200, 400, 404)
            if answer.status != 200:
                assert answer.error
            assert HEADERS["authorization"] not in str(answer.body)
