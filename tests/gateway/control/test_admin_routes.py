"""Reading routes and changing them while traffic flows."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.control.parts import Parts
from tests.fakes.control import Admin, StandinWorker, wait_until


def error(answer: httpx.Response) -> dict[str, Any]:
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    found: dict[str, Any] = body["error"]
    return found


def test_a_route_shows_all_that_decides_its_traffic(untouched_admin: Admin) -> None:
    answer = untouched_admin.route()
    body = answer.json()
    assert answer.headers["etag"] == body["etag"]
    assert body["revision"] == 1
    assert body["split"] == {"support-v1": 50, "support-v2": 50}
    assert body["file_split"] == body["split"]
    assert body["ranges"] == [
        {"arm": "support-v1", "start": 0, "stop": 5000},
        {"arm": "support-v2", "start": 5000, "stop": 10000},
    ]
    assert body["unit"] == ["header:x-user-id", "body:user", "body:safety_identifier", "request"]
    assert body["fallback"]["to"] == "large"
    assert body["fallback"]["enabled"] is True
    assert body["fallback"]["confidence"]["mode"] == "observe"
    assert body["fallback"]["hold"] == {"tokens": 16, "ms": 300}
    assert body["timeouts"]["total_s"] == 600
    assert body["overlay"] == []
    assert body["warnings"] == []
    assert body["salt"]


def test_all_routes_are_listed(untouched_admin: Admin) -> None:
    body = untouched_admin.http.get("/admin/v1/routes").json()
    assert [route["route"] for route in body["routes"]] == ["bare", "support"]
    assert body["routes"][0]["fallback"] is None


def test_a_new_split_is_in_force_with_who_and_why(admin: Admin) -> None:
    before = admin.etag()
    answer = admin.split({"support-v1": 87.25, "support-v2": 12.75}, reason="first canary")
    assert answer.status_code == 200
    body = answer.json()
    assert body["revision"] == 2
    assert answer.headers["etag"] != before
    assert answer.headers["etag"] == admin.etag()
    assert body["split"] == {"support-v1": 87.25, "support-v2": 12.75}
    assert body["file_split"] == {"support-v1": 50, "support-v2": 50}
    assert any("not the file's" in warning for warning in body["warnings"])
    [overlay] = body["overlay"]
    assert overlay["at_us"] > 0
    del overlay["at_us"]
    assert overlay == {
        "field": "split",
        "value": {"support-v1": 87.25, "support-v2": 12.75},
        "who": "ops",
        "reason": "first canary",
    }


def test_without_if_match_nothing_changes(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.put("/admin/v1/routes/support/split", json={"split": {"support-v1": 100}})
    assert answer.status_code == 428
    assert error(answer)["code"] == "precondition_required"


def test_of_two_operators_the_second_is_told(admin: Admin) -> None:
    seen_by_both = admin.etag()
    assert admin.split({"support-v1": 10, "support-v2": 90}, seen_by_both).status_code == 200
    answer = admin.split({"support-v1": 0, "support-v2": 100}, seen_by_both)
    assert answer.status_code == 412
    assert error(answer)["code"] == "precondition_failed"
    assert admin.route().json()["split"] == {"support-v1": 10, "support-v2": 90}


@pytest.mark.parametrize("body", [b"", b"not json", b'{"split": {"nobody": 1}}'])
@pytest.mark.parametrize(("header", "status"), [({}, 428), ({"if-match": '"of-another-state"'}, 412)])
def test_the_precondition_is_checked_before_the_body(
    untouched_admin: Admin, body: bytes, header: dict[str, str], status: int
) -> None:
    answer = untouched_admin.http.put("/admin/v1/routes/support/split", content=body, headers=header)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("header", "status"),
    [("*", 200), ('"a", {tag}', 200), ("W/{tag}", 412), ('"a", "b"', 412), ("unquoted", 400), ("", 400)],
)
def test_if_match_is_read_as_the_standard_says(admin: Admin, header: str, status: int) -> None:
    answer = admin.http.put(
        "/admin/v1/routes/support/split",
        headers={"if-match": header.replace("{tag}", admin.etag())},
        json={"split": {"support-v1": 100}},
    )
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"split": {"support-v1": 50, "support-v2": 45}}, "split", "split: percentages sum to 95, not 100"),
        (
            {"split": {"support-v1": 50, "support-v9": 50}},
            "split.support-v9",
            "split.support-v9: no such model; there are large, support-v1, support-v2",
        ),
        ({"split": {"support-v1": 33.333, "support-v2": 66.667}}, "split.support-v1", "more than two decimals"),
        ({"split": {"support-v1": -1, "support-v2": 101}}, "split.support-v1", "not between 0 and 100"),
        ({"split": {"support-v1": "50", "support-v2": 50}}, "split.support-v1", "must be a number"),
        ({"split": {"support-v1": True, "support-v2": 99}}, "split.support-v1", "must be a number"),
        ({"split": {}}, "split", "sum to 0, not 100"),
        ({"split": []}, "split", "split: must be"),
        ({"split": {"large": 50, "support-v2": 50}}, "split", "fallback"),
        ({}, "split", "split: is missing"),
        ({"split": {"support-v1": 100}, "reasons": "x"}, "reasons", "is not known here; there are reason, split"),
        ({"split": {"support-v1": 100}, "reason": "x" * 501}, "reason", "longer than 500"),
        ({"split": {"support-v1": 100}, "reason": 7}, "reason", "reason: must be a valid string"),
    ],
)
def test_a_wrong_split_is_refused_by_the_name_of_its_field(
    untouched_admin: Admin, body: dict[str, object], param: str, message: str
) -> None:
    answer = untouched_admin.act("PUT", "/split", body)
    assert answer.status_code == 400
    assert error(answer)["param"] == param
    assert message in error(answer)["message"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b'{"split": {"support-v1": NaN}}',
        b'{"split": {"support-v1": 1e999, "support-v2": 0}}',
        b'{"split": {"support-v1": ' + b"9" * 5000 + b"}}",
        b'{"split": {"support-v1": 50, "support-v1": 100}}',
        b'{"split": {"support-v1": 100}, "reason": "\\ud800"}',
        b'{"split": {"\\ud800": 100}}',
        b"\xff\xfe\xfd",
        b"[" * 30_000,
        b'{"split": ' * 5_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_a_body_that_is_no_body_is_a_400_that_says_why(untouched_admin: Admin, raw: bytes) -> None:
    answer = untouched_admin.http.put(
        "/admin/v1/routes/support/split", content=raw, headers={"if-match": untouched_admin.etag()}
    )
    assert answer.status_code == 400
    assert error(answer)["message"]


def test_rolling_back_restores_split_and_ranges_and_goes_further_the_next_time(admin: Admin) -> None:
    first = admin.route().json()
    second = admin.split({"support-v1": 80, "support-v2": 20}).json()
    admin.split({"support-v1": 0, "support-v2": 100})
    back = admin.act("POST", "/rollback", {"reason": "wrong answers"})
    assert back.status_code == 200
    assert (back.json()["split"], back.json()["ranges"]) == (second["split"], second["ranges"])
    further = admin.act("POST", "/rollback")
    assert (further.json()["split"], further.json()["ranges"]) == (first["split"], first["ranges"])
    nowhere = admin.act("POST", "/rollback")
    assert nowhere.status_code == 409
    assert error(nowhere)["code"] == "nothing_to_roll_back_to"


def test_clearing_the_overlay_goes_back_to_the_file(admin: Admin) -> None:
    admin.split({"support-v1": 0, "support-v2": 100})
    answer = admin.act("DELETE", "/overlay")
    assert answer.status_code == 200
    assert answer.json()["split"] == {"support-v1": 50, "support-v2": 50}
    assert answer.json()["overlay"] == []


def test_the_fallback_can_be_switched_off_and_says_so(admin: Admin) -> None:
    answer = admin.act("PATCH", "", {"fallback": {"enabled": False}, "reason": "too dear"})
    assert answer.status_code == 200
    assert answer.json()["fallback"]["enabled"] is False
    assert answer.json()["warnings"] == ["the fallback to large is switched off"]
    assert [overlay["field"] for overlay in answer.json()["overlay"]] == ["fallback.enabled"]


def test_a_body_of_the_wrong_shape_is_told_what_belongs_there(admin: Admin) -> None:
    answer = admin.act("PATCH", "", {"audit": 0.1})
    assert answer.json()["error"]["message"] == "audit: must be an object with share"
    answer = admin.act("PUT", "/split", {"split": [50, 50]})
    assert answer.json()["error"]["message"] == "split: must be an object"


def test_the_confidence_mode_can_be_changed(admin: Admin) -> None:
    body = {"confidence": {"mode": "threshold", "score": "min_logprob", "min": 0.7}}
    answer = admin.act("PATCH", "", body)
    assert answer.status_code == 200
    assert answer.json()["fallback"]["confidence"] == body["confidence"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, None, "invalid_value"),
        ({"reason": "why not"}, None, "invalid_value"),
        ({"fallback": None}, None, "invalid_value"),
        ({"confidence": {}}, None, "invalid_value"),
        ({"confidence": {"mode": None}}, None, "invalid_value"),
        ({"fallback": {"enabled": "no"}}, "fallback.enabled", "invalid_value"),
        ({"fallback": {"to": "large"}}, "fallback.enabled", "invalid_value"),
        ({"confidence": {"mode": "wild"}}, "confidence.mode", "invalid_value"),
        ({"confidence": {"mode": "threshold"}}, "confidence", "invalid_value"),
        ({"confidence": {"min": 1.5}}, "confidence.min", "invalid_value"),
        ({"audit": 0.1}, "audit", "invalid_value"),
        ({"audit": None}, None, "invalid_value"),
        ({"shadow": None}, None, "invalid_value"),
        ({"shadow": {"share": 1}}, "shadow", "no_shadow"),
        ({"shadow": {"share": 1.5}}, "shadow.share", "invalid_value"),
        ({"shadow": {"share": 0.1, "to": "large"}}, "shadow.to", "invalid_value"),
        ({"split": {"support-v1": 100}}, "split", "invalid_value"),
    ],
)
def test_a_wrong_policy_is_refused_by_the_name_of_its_field(
    untouched_admin: Admin, body: dict[str, object], param: str | None, code: str
) -> None:
    answer = untouched_admin.act("PATCH", "", body)
    assert answer.status_code == 400
    assert (error(answer)["param"], error(answer)["code"]) == (param, code)


def test_a_route_without_fallback_has_no_policy_to_change(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.patch(
        "/admin/v1/routes/bare",
        headers={"if-match": untouched_admin.etag("bare")},
        json={"fallback": {"enabled": True}},
    )
    assert answer.status_code == 400
    assert error(answer)["code"] == "no_fallback"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("PUT", "/split"), ("PATCH", ""), ("POST", "/rollback"), ("DELETE", "/overlay")]
)
def test_an_unknown_route_is_404_and_names_those_that_are(untouched_admin: Admin, method: str, path: str) -> None:
    answer = untouched_admin.http.request(method, f"/admin/v1/routes/nobody{path}")
    assert answer.status_code == 404
    assert error(answer)["message"] == "there is no route 'nobody'; there are bare, support"
    assert error(answer)["code"] == "route_not_found"


def test_a_rollback_is_timed_until_every_worker_has_it(
    admin: Admin, parts: Parts, standin: Callable[[str], StandinWorker]
) -> None:
    quick, slow = standin("w1"), standin("w2")
    quick.report()
    slow.report()
    admin.split({"support-v1": 0, "support-v2": 100})
    revision = admin.act("POST", "/rollback").json()["revision"]

    def count() -> float:
        lines = parts.page.render().decode().splitlines()
        name = 'gateway_rollback_duration_seconds_count{route="support"} '
        return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), 0.0)

    quick.report(revision=revision)
    wait_until(
        lambda: "w1" in {w.writer_id for w in parts.observer.seen.workers if w.revision == revision}, "w1 is seen"
    )
    assert count() == 0
    slow.report(revision=revision)
    wait_until(lambda: count() == 1, "the roll-back is counted")


def test_what_workers_notice_of_a_route_shows_as_its_warning(
    admin: Admin, parts: Parts, standin: Callable[[str], StandinWorker]
) -> None:
    notice = "routes.support: one unit makes more than 31% of the traffic"
    standin("w1").report(notices=[notice, "routes.bare: something else"])
    standin("w2").report(notices=[notice])
    wait_until(lambda: len(parts.observer.seen.workers) == 2, "the workers are seen")
    assert admin.route().json()["warnings"] == [notice]
