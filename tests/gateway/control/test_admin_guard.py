"""Who gets in, and what everybody is told in which shape."""

import re
import socket

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from gateway.control.app import build_app
from gateway.control.guard import OPEN_PATHS, AdminGuard
from gateway.control.parts import Parts
from tests.fakes.control import APP, OPS, PLANTED_SECRET, SCRAPER, Admin, auth, wait_until

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def is_error(answer: httpx.Response, status: int, code: str | None) -> bool:
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert answer.json().keys() == {"error"}
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    assert UUID7.fullmatch(answer.headers["x-request-id"])
    return (answer.status_code, error["code"]) == (status, code)


def endpoints(parts: Parts) -> list[tuple[str, str]]:
    """Every method and path that the application has, from itself."""
    guard = build_app(parts)
    assert isinstance(guard, AdminGuard)
    app = guard._app
    assert isinstance(app, FastAPI)
    found = [(method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods or ()]
    assert len(found) > 15
    return [(method, re.sub(r"\{(\w+)\}", "support", path)) for method, path in found]


def test_no_endpoint_but_the_open_ones_answers_without_the_right_key(parts: Parts, admin: Admin) -> None:
    closed = [(method, path) for method, path in endpoints(parts) if path not in OPEN_PATHS]
    with httpx.Client(base_url=admin.url) as http:
        for method, path in closed:
            nobody = http.request(method, path)
            assert is_error(nobody, 401, "invalid_api_key"), (method, path)
            assert nobody.headers["www-authenticate"] == "Bearer"
            for secret in (APP, OPS if path == "/metrics" else SCRAPER):
                assert is_error(http.request(method, path, headers=auth(secret)), 403, "insufficient_scope")
    assert admin.route().json()["revision"] == 1


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/no/such/path", "//admin/v1/routes", "/ADMIN"])
def test_what_is_not_there_is_closed_too(untouched_admin: Admin, path: str) -> None:
    assert is_error(httpx.get(untouched_admin.url + path), 401, "invalid_api_key")
    assert is_error(untouched_admin.http.get(untouched_admin.url + path), 404, "unknown_url")


@pytest.mark.parametrize("authorization", ["", "Bearer", f"Basic {OPS}", OPS, f"Bearer {OPS}x", f"Bearer {OPS[:-1]}"])
def test_what_is_not_quite_the_key_is_no_key(untouched_admin: Admin, authorization: str) -> None:
    answer = httpx.get(f"{untouched_admin.url}/admin/v1/routes", headers={"authorization": authorization})
    assert is_error(answer, 401, "invalid_api_key")


def test_two_authorization_headers_are_refused(untouched_admin: Admin) -> None:
    headers = [("authorization", f"Bearer {OPS}"), ("authorization", f"Bearer {OPS}")]
    answer = httpx.get(f"{untouched_admin.url}/admin/v1/routes", headers=headers)
    assert is_error(answer, 401, "invalid_api_key")


def test_the_scheme_may_be_in_any_case(untouched_admin: Admin) -> None:
    answer = httpx.get(f"{untouched_admin.url}/admin/v1/routes", headers={"authorization": f"bEaReR {OPS}"})
    assert answer.status_code == 200


def test_a_forged_host_opens_nothing(untouched_admin: Admin) -> None:
    answer = httpx.get(f"{untouched_admin.url}/admin/v1/routes", headers={"host": "x/livez?"})
    assert is_error(answer, 401, "invalid_api_key")


def test_a_wrong_method_names_all_that_the_path_has(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.post("/admin/v1/routes/support")
    assert is_error(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, PATCH"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("POST", "/"),
    ],
)
def test_what_is_not_built_yet_says_so(untouched_admin: Admin, method: str, path: str) -> None:
    answer = untouched_admin.http.request(method, path)
    assert is_error(answer, 404, "not_yet")
    assert "not built yet" in answer.json()["error"]["message"]


def test_a_body_over_the_limit_is_413_declared_or_not(untouched_admin: Admin) -> None:
    path = "/admin/v1/routes/support/split"
    assert is_error(untouched_admin.http.put(path, content=b" " * 70_000), 413, "request_too_large")
    pieces = (b" " * 10_000 for _ in range(7))
    assert is_error(untouched_admin.http.put(path, content=pieces), 413, "request_too_large")


def test_garbage_on_the_wire_is_answered_in_the_one_shape(untouched_admin: Admin) -> None:
    host, port = untouched_admin.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"error":{"message":' in answer


def test_alive_and_ready_need_no_key(untouched_admin: Admin) -> None:
    assert httpx.get(f"{untouched_admin.url}/livez").json() == {"status": "alive"}
    assert httpx.get(f"{untouched_admin.url}/readyz").json() == {"status": "ready", "revision": 1}


def test_every_answer_has_an_id_of_our_own(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.get("/admin/v1/routes", headers={"x-request-id": "mine"})
    assert UUID7.fullmatch(answer.headers["x-request-id"])


def test_a_store_that_is_gone_is_a_503_that_says_nothing_was_changed(admin: Admin, parts: Parts) -> None:
    etag = admin.etag()
    parts.store.path.unlink()
    parts.store.close()
    answer = admin.split({"support-v1": 100}, etag)
    assert is_error(answer, 503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert str(parts.store.path) not in answer.text


def test_a_fault_of_ours_is_a_500_without_its_story(
    admin: Admin, parts: Parts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts.publisher, "change_route", None)
    answer = admin.split({"support-v1": 100}, "*")
    assert is_error(answer, 500, "internal_error")
    assert "NoneType" not in answer.text
    wait_until(lambda: answer.headers["x-request-id"] in caplog.text, "the log names the request")


def test_no_answer_holds_a_secret(parts: Parts, untouched_admin: Admin) -> None:
    for method, path in endpoints(parts):
        if method == "GET":
            text = untouched_admin.http.get(path, headers=auth(SCRAPER if path == "/metrics" else OPS)).text
            assert not [secret for secret in (APP, OPS, SCRAPER, PLANTED_SECRET) if secret in text], path
