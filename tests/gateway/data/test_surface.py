"""The paths of the data plane, who may use them, and what is answered elsewhere."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.data.endpoint import CompletionsEndpoint
from routing.answer.policy import HOLD_FULL
from tests.fakes.asking import CHAT, TEXT, ask, client, error_in, stage
from tests.fakes.gateways import (
    HEADERS,
    NARROW_SECRET,
    OPERATOR_SECRET,
    SECRET,
    TESTER_SECRET,
    Gateway,
    document,
    gateway,
    route,
    threshold,
)
from tests.gateway.exchange.expectations import BOTH

ROUTES = {"support": route({"v1": 10000}), "other": route({"v1": 10000})}


@pytest.fixture
async def made() -> AsyncIterator[Gateway]:
    async with gateway(document("http://127.0.0.1:1/v1", ROUTES)) as made:
        yield made
        assert made.begun == 0


async def get(made: Gateway, path: str, method: str = "GET", key: str | None = SECRET) -> httpx.Response:
    async with client(made) as asking:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        if key is None:
            del asking.headers["authorization"]
        return await asking.request(method, path, headers=headers)


async def test_models_are_the_routes_that_the_key_may_use(made: Gateway) -> None:
    for key, names in ((SECRET, ["support", "other"]), (NARROW_SECRET, ["other"]), (OPERATOR_SECRET, [])):
        response = await get(made, "/v1/models", key=key)
        assert response.json()["object"] == "list"
        assert [card["id"] for card in response.json()["data"]] == names
        assert len(response.headers["x-request-id"]) == 36
    card = (await get(made, "/v1/models/support")).json()
    assert (card["id"], card["object"], card["owned_by"]) == ("support", "model", "fallgate")
    assert isinstance(card["created"], int)


@pytest.mark.parametrize(("name", "key"), [("nope", SECRET), ("support", NARROW_SECRET), ("v1", SECRET)])
async def test_case_20_a_model_that_is_not_there_or_not_allowed_is_unknown(made: Gateway, name: str, key: str) -> None:
    response = await get(made, f"/v1/models/{name}", key=key)
    error = error_in(response.content)
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_needs_no_key(made: Gateway, path: str) -> None:
    response = await get(made, path, key=None)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", CHAT, {"POST"}),
        ("PUT", TEXT, {"POST"}),
        ("DELETE", CHAT, {"POST"}),
        ("POST", "/v1/models", {"GET", "HEAD"}),
        ("DELETE", "/v1/models/support", {"GET", "HEAD"}),
        ("GET", "/v1/feedback", {"POST"}),
        ("POST", "/livez", {"GET", "HEAD"}),
    ],
)
async def test_case_38_a_wrong_method_is_a_405_that_says_what_is_right(
    made: Gateway, method: str, path: str, allowed: set[str]
) -> None:
    response = await get(made, path, method)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed
    assert error_in(response.content)["type"] == "invalid_request_error"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1", "/v1/", "/v1/responses", "/v1/files", "/v1/embeddings", "/docs", "/openapi.json"),
        *("/metrics", "/admin/v1/routes", "//v1/chat/completions", "/v1/chat/completions/", "/v1/chat/completions;x"),
        *("/V1/chat/completions", "/v1/%2e%2e/admin/v1/routes", "/v1/chat/../../admin/v1/routes", "/v1/%ff%fe"),
    ],
)
async def test_cases_39_and_40_any_other_path_is_a_404_in_json(made: Gateway, method: str, path: str) -> None:
    async with httpx.AsyncClient(headers=HEADERS, trust_env=False, verify=False) as asking:
        url = httpx.URL(made.url).copy_with(raw_path=path.encode())
        response = await asking.request(method, url)
    error = error_in(response.content)
    assert (response.status_code, error["type"], error["code"]) == (404, "invalid_request_error", "unknown_url")
    assert "location" not in response.headers
    assert "server" not in response.headers


async def test_what_comes_later_says_so(made: Gateway) -> None:
    assert "is not built yet" in error_in((await get(made, "/v1/embeddings", "POST")).content)["message"]


@pytest.mark.parametrize(
    "authorization",
    [
        *(None, "", "Bearer", "Bearer  x y", "Basic YTpi", "Bearer sk-' OR 1=1--", "Bearer " + "x" * 50_000),
        *(SECRET, f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"Token {SECRET}", f"Bearer {SECRET.upper()}"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/models/support"])
async def test_cases_58_and_59_without_a_valid_key_nothing_is_answered(
    made: Gateway, authorization: str | None, path: str
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    async with httpx.AsyncClient(base_url=made.url, headers=headers, trust_env=False, verify=False) as asking:
        response = await asking.request("POST" if path == CHAT else "GET", path, content=b"not even JSON")
    error = error_in(response.content)
    assert (response.status_code, error["code"], error["param"]) == (401, "invalid_api_key", None)
    assert error["type"] in ("invalid_request_error", "authentication_error")
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["x-request-id"]
    assert SECRET not in response.text


async def test_case_59_a_key_of_a_megabyte_is_refused(made: Gateway) -> None:
    assert (await get(made, "/v1/models", key="x" * 2**20)).status_code in (401, 431)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
async def test_the_scheme_of_a_key_is_read_leniently(made: Gateway, scheme: str) -> None:
    async with httpx.AsyncClient(headers={"authorization": f"{scheme} {SECRET}"}, verify=False) as asking:
        assert (await asking.get(f"{made.url}/v1/models")).status_code == 200


@pytest.mark.parametrize("value", [b"mine", b"x" * 10_000, "ünï".encode(), b"a" * 513])
@pytest.mark.parametrize("name", ["x-request-id", "x-client-request-id"])
async def test_cases_41_and_42_a_clients_id_is_never_ours(name: str, value: bytes) -> None:
    async with stage() as made:
        answer = await made.ask(headers={name: value})
        ours = answer.headers["x-request-id"]
        assert (len(ours), ours[14]) == (36, "7")
        assert answer.json["id"] == f"chatcmpl-{ours}"
        assert made.server.seen.requests[0].headers["x-request-id"] == ours
        assert "x-client-request-id" not in made.server.seen.requests[0].headers


async def test_without_a_configuration_everything_waits() -> None:
    async with gateway(None) as made:
        assert (await get(made, "/livez", key=None)).status_code == 200
        ready = await get(made, "/readyz", key=None)
        assert (ready.status_code, ready.json()["status"]) == (503, "no configuration yet")
        for _ in range(3):
            answer = await ask(made)
            assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "not_ready", "1")
        assert (await get(made, "/v1/models")).status_code == 503
        made.publish(document("http://127.0.0.1:1/v1", ROUTES))
        assert (await get(made, "/readyz", key=None)).json() == {"status": "ready", "revision": 1}
        assert (await get(made, "/v1/models")).status_code == 200


@BOTH
async def test_every_answer_explains_itself(stream: bool) -> None:
    async with stage(large=(), confidence=threshold(minimum=0.25), hold=HOLD_FULL) as made:
        answer = await made.ask(stream=stream, headers={"x-user-id": "u1"})
        names = {name: value for name, value in answer.headers.items() if name.startswith("x-")}
        expected = {
            "x-request-id": made.last.head.request_id,
            "x-gateway-route": "support",
            "x-gateway-arm": "v1",
            "x-gateway-model": "v1",
            "x-gateway-bucket": str(made.last.assignment.bucket),
            "x-gateway-revision": "1",
            "x-gateway-attempts": "1",
            "x-gateway-score": "mean_logprob=0.9512",
            "x-gateway-confidence": "0.9512",
            "x-gateway-calibration": "none",
            "x-gateway-threshold": "0.2500",
        }
        if stream:
            expected["x-accel-buffering"] = "no"
            assert answer.headers["cache-control"] == "no-cache"
            assert "content-length" not in answer.headers
        assert names == expected


async def test_a_tester_may_force_an_arm_and_is_left_out_of_results() -> None:
    async with stage() as made:
        assert made.gateway.live is not None
        split = document(made.server.base_url, {"support": route({"v1": 10000, "large": 0})})
        made.gateway.publish(split, revision=2)
        headers = {"authorization": f"Bearer {TESTER_SECRET}", "x-gateway-force-arm": "large"}
        answer = await made.ask(headers=headers)
        assert answer.headers["x-gateway-arm"] == "large"
        assert made.last.is_forced


async def test_case_127_a_bug_of_ours_is_a_500_that_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_args: object) -> None:
        raise RuntimeError("secret details")

    monkeypatch.setattr(CompletionsEndpoint, "__call__", broken)
    async with stage() as made:
        answer = await ask(made.gateway)
        assert (answer.status, answer.error["code"], answer.error["type"]) == (500, "internal_error", "api_error")
        assert "secret" not in answer.body.decode()
        assert answer.headers["x-request-id"] in caplog.text


async def test_a_bug_in_an_exchange_is_recorded_as_the_failure_that_the_client_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_args: object) -> None:
        raise RuntimeError("secret details")

    monkeypatch.setattr("gateway.data.endpoint.answer", broken)
    async with stage() as made:
        assert (await made.ask()).status == 500
        assert (made.last.outcome, made.last.status) == ("failed", 500)


async def test_the_same_user_gets_the_same_arm_and_what_is_refused_is_counted() -> None:
    async with stage() as made:
        made.gateway.publish(document(made.server.base_url, {"support": route({"v1": 5000, "large": 5000})}))
        arms = {user: {(await made.ask(user=user)).headers["x-gateway-arm"] for _ in range(3)} for user in "abcdefgh"}
        assert all(len(seen) == 1 for seen in arms.values())
        assert {arm for seen in arms.values() for arm in seen} == {"v1", "large"}
        refused = made.gateway.refused
        await made.ask(model="unknown")
        assert made.gateway.refused == refused + 1
        labels = dict.fromkeys(("route", "arm", "model"), "none")
        assert made.gateway.metric("requests_total", outcome="rejected", **labels) == made.gateway.refused
