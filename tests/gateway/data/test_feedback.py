"""What the endpoint takes, what it refuses, and that it answers without having looked."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from gateway.clock import now_us
from gateway.control.loops.labels import LabelJoin
from gateway.records.batches import Batch, BatchWriter
from gateway.store.engine import Store
from gateway.store.labels import read_labelled
from tests.fakes.asking import client, error_in, stage
from tests.fakes.gateways import NARROW_SECRET, OPERATOR_SECRET, SECRET, Gateway, document, gateway, route

PATH = "/v1/feedback"
ID = "0190163d-8694-739b-aea5-966c26f8ad91"
ROUTES = {"support": route({"v1": 10000})}
GOOD = {"request_id": ID, "metric": "success", "value": True}


@pytest.fixture
async def made() -> AsyncIterator[Gateway]:
    async with gateway(document("http://127.0.0.1:1/v1", ROUTES)) as made:
        yield made


async def send(made: Gateway, body: object, key: str | None = SECRET, **headers: str) -> httpx.Response:
    async with client(made) as asking:
        del asking.headers["authorization"]
        all_headers = {"content-type": "application/json", **{n.replace("_", "-"): v for n, v in headers.items()}}
        if key is not None:
            all_headers["authorization"] = f"Bearer {key}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await asking.post(PATH, content=content, headers=all_headers)


async def test_feedback_is_accepted_at_once_and_handed_over_whole(made: Gateway) -> None:
    before_us = now_us()
    response = await send(made, {**GOOD, "idempotency_key": "ticket 17"})
    assert response.status_code == 202
    answer = response.json()
    assert answer == {"id": response.headers["x-request-id"], "status": "accepted"}
    [row] = made.records.feedback
    assert (row.feedback_id, row.tenant, row.key_name) == (answer["id"], "default", "app")
    assert (row.request_id, row.answer_id, row.metric) == (ID, None, "success")
    assert (row.kind, row.value, row.idempotency_key) == ("boolean", "true", "ticket 17")
    assert before_us <= row.received_us <= now_us()
    assert made.metric("feedback_total", state="accepted") == 1


MESSAGE = {"role": "assistant", "content": None, "tool_calls": [{"id": "t", "type": "function"}]}


@pytest.mark.parametrize(
    ("metric", "value", "kind", "kept"),
    [
        ("success", False, "boolean", "false"),
        ("success", 1, "boolean", "true"),
        ("success", 0.0, "boolean", "false"),
        ("resolved", True, "boolean", "true"),
        ("stars", 4, "number", "4"),
        ("stars", -0.5, "number", "-0.5"),
        ("size", 10**30, "number", "1e+30"),
        ("note", "wrong\0 date, 🙂", "comment", '"wrong\\u0000 date, 🙂"'),
        ("note", "é" * 4000, "comment", f'"{"é" * 4000}"'),
        ("better", {"demonstration": "Tuesday"}, "demonstration", '"Tuesday"'),
        ("better", {"demonstration": MESSAGE}, "demonstration", json.dumps(MESSAGE, separators=(",", ":"))),
        ("better", {"demonstration": "x" * (64 * 1024 - 2)}, "demonstration", f'"{"x" * (64 * 1024 - 2)}"'),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_value_may_be_a_boolean_a_number_a_comment_or_a_demonstration(
    made: Gateway, metric: str, value: object, kind: str, kept: str
) -> None:
    assert (await send(made, {"request_id": ID, "metric": metric, "value": value})).status_code == 202
    [row] = made.records.feedback
    assert (row.metric, row.kind, row.value) == (metric, kind, kept)


@pytest.mark.parametrize(
    ("said", "request_id", "answer_id"),
    [
        ({"request_id": ID.upper()}, ID, None),
        ({"id": f"chatcmpl-{ID}"}, ID, f"chatcmpl-{ID}"),
        ({"id": f"cmpl-{ID}"}, ID, f"cmpl-{ID}"),
        ({"id": "chatcmpl-BxYz0123"}, None, "chatcmpl-BxYz0123"),
        ({"id": f"chatcmpl-{ID.replace('-7', '-4')}"}, None, f"chatcmpl-{ID.replace('-7', '-4')}"),
    ],
    ids=["a request id", "a chat of vLLM", "a completion of vLLM", "an answer of another maker", "a UUID not of ours"],
)
async def test_an_answers_id_that_is_made_of_the_requests_says_which_it_was(
    made: Gateway, said: Mapping[str, str], request_id: str | None, answer_id: str
) -> None:
    assert (await send(made, {"metric": "success", "value": True, **said})).status_code == 202
    [row] = made.records.feedback
    assert (row.request_id, row.answer_id) == (request_id, answer_id)


def deep(levels: int) -> Any:
    return {"role": "assistant", "content": deep(levels - 1)} if levels else "x"


REFUSALS: list[tuple[Mapping[str, Any], str]] = [
    ({"request_id": None}, "request_id"),
    ({"id": "chatcmpl-1"}, "request_id"),
    ({"request_id": 5}, "request_id"),
    ({"request_id": "5"}, "request_id"),
    ({"request_id": ID + "\n"}, "request_id"),
    ({"request_id": ID.replace("-7", "-4")}, "request_id"),
    ({"request_id": None, "id": 5}, "id"),
    ({"request_id": None, "id": ""}, "id"),
    ({"request_id": None, "id": "a b"}, "id"),
    ({"request_id": None, "id": "x" * 201}, "id"),
    ({"metric": None}, "metric"),
    ({"metric": "Success"}, "metric"),
    ({"metric": "2nd"}, "metric"),
    ({"metric": "x" * 65}, "metric"),
    ({"metric": "success\n"}, "metric"),
    ({"metric": "audit_agreement"}, "metric"),
    ({"value": None}, "value"),
    ({"value": 0.5}, "value"),
    ({"value": "yes"}, "value"),
    ({"value": []}, "value"),
    ({"metric": "note", "value": ""}, "value"),
    ({"metric": "note", "value": "x" * 4001}, "value"),
    ({"metric": "note", "value": [1]}, "value"),
    ({"metric": "note", "value": {"demonstrations": "x"}}, "value"),
    ({"metric": "note", "value": {"demonstration": "x", "more": 1}}, "value"),
    ({"metric": "note", "value": {"demonstration": ""}}, "value.demonstration"),
    ({"metric": "note", "value": {"demonstration": {"role": "user", "content": "x"}}}, "value.demonstration"),
    ({"metric": "note", "value": {"demonstration": "x" * (64 * 1024 - 1)}}, "value.demonstration"),
    ({"metric": "note", "value": {"demonstration": deep(400)}}, "value.demonstration"),
    ({"idempotency_key": 5}, "idempotency_key"),
    ({"idempotency_key": ""}, "idempotency_key"),
    ({"idempotency_key": "x" * 129}, "idempotency_key"),
    ({"idempotency_key": "a\0b"}, "idempotency_key"),
    ({"tags": {"a": "b"}}, "tags"),
]


@pytest.mark.parametrize(("changes", "field"), REFUSALS, ids=lambda value: str(value)[:50])
async def test_what_is_wrong_is_named_and_nothing_is_kept(
    made: Gateway, changes: Mapping[str, Any], field: str
) -> None:
    response = await send(made, {**GOOD, **changes})
    error = error_in(response.content)
    assert (response.status_code, error["param"], error["code"]) == (400, field, "invalid_value")
    assert error["message"].startswith(f"{field}: ")
    assert made.records.feedback == []


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"", None), (b"[1]", None), (b'{"value": NaN}', "value"), (b'{"value": 1e999}', "value")],
    ids=["nothing", "an array", "no number", "infinite"],
)
async def test_what_is_no_json_object_is_refused(made: Gateway, body: bytes, param: str | None) -> None:
    response = await send(made, body)
    assert (response.status_code, error_in(response.content)["param"]) == (400, param)


async def test_the_idempotency_key_may_come_as_a_header_and_the_bodys_counts_first(made: Gateway) -> None:
    await send(made, GOOD, idempotency_key="from-the-header")
    await send(made, {**GOOD, "idempotency_key": "from-the-body"}, idempotency_key="from-the-header")
    assert [row.idempotency_key for row in made.records.feedback] == ["from-the-header", "from-the-body"]
    refused = await send(made, GOOD, idempotency_key="x" * 129)
    assert error_in(refused.content)["param"] == "idempotency_key"


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [(None, 401, "invalid_api_key"), (OPERATOR_SECRET, 403, "insufficient_scope"), (NARROW_SECRET, 202, None)],
    ids=["nobody", "an operator", "an application with one route"],
)
async def test_whoever_may_ask_may_say_what_the_answer_was_worth(
    made: Gateway, key: str | None, status: int, code: str | None
) -> None:
    response = await send(made, GOOD, key)
    assert response.status_code == status
    assert code is None or error_in(response.content)["code"] == code


async def test_without_room_feedback_is_turned_away_and_not_dropped(made: Gateway) -> None:
    made.records.is_full = True
    response = await send(made, GOOD)
    error = error_in(response.content)
    assert (response.status_code, error["type"], error["code"]) == (
        503,
        "service_unavailable_error",
        "feedback_queue_full",
    )
    assert int(response.headers["retry-after"]) >= 1
    assert made.metric("feedback_total", state="turned_away") == 1


async def test_without_a_configuration_nobody_is_known() -> None:
    async with gateway(None) as made:
        assert error_in((await send(made, GOOD)).content)["code"] == "not_ready"


async def test_feedback_by_the_id_of_an_answer_becomes_a_label(sqlite_store: Store) -> None:
    async with stage() as made:
        async with AsyncOpenAI(base_url=f"{made.gateway.url}/v1", api_key=SECRET, max_retries=0) as asking:
            answer = await asking.chat.completions.create(
                model="support", messages=[{"role": "user", "content": "where is my parcel?"}]
            )
        await made.gateway.until_finished(1)
        response = await send(made.gateway, {"id": answer.id, "metric": "success", "value": False})
        assert response.status_code == 202
        records = made.gateway.records
    BatchWriter(sqlite_store, "w", now_us).write(Batch(seq=1, entries=[*records.feedback, *records.kept]))

    LabelJoin(sqlite_store, lambda state, count: None).run()

    with sqlite_store.reading() as connection:
        [label] = read_labelled(connection, "support", "v1", limit=10)
    assert (label.request_id, label.value) == (made.last.head.request_id, 0.0)
    assert label.is_weighed
    assert label.whole is not None
    assert label.whole.tokens > 1
