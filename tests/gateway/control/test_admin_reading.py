"""Models, the audit, workers and the page of metrics."""

from collections.abc import Callable

import pytest

from gateway.control.parts import Parts
from gateway.launch import metrics_dir
from tests.fakes.control import OPS, SCRAPER, Admin, StandinWorker, auth, wait_until


def test_models_show_prices_and_lineage_and_where_they_serve(admin: Admin, parts: Parts) -> None:
    parts.leader._publish()
    large, v1, v2 = admin.http.get("/admin/v1/models").json()["models"]
    assert large["upstream_model"] == "gpt-4o"
    assert large["has_api_key"] is True
    assert large["prices"][0]["usd_per_mtok"] == {"input": 2.5, "cached_input": 1.25, "output": 10.0}
    assert (large["arm_of"], large["fallback_of"]) == ([], ["support"])
    assert v1["arm_of"] == ["bare", "support"]
    assert v1["lineage"]["base_model"] == "smol"
    assert v1["lineage"]["evaluation"] == {"accuracy": 0.91}
    assert v2["enabled"] is True


def test_a_model_that_is_switched_off_is_a_warning_on_its_routes(admin: Admin) -> None:
    answer = admin.http.patch("/admin/v1/models/support-v2", json={"enabled": False, "reason": "it stutters"})
    assert answer.status_code == 200
    assert (answer.json()["enabled"], answer.json()["revision"]) == (False, 2)
    assert admin.route().json()["warnings"] == [
        "support-v2 has 50 percent of the units and is switched off; its requests fall back"
    ]
    assert admin.http.patch("/admin/v1/models/support-v2", json={"enabled": True}).json()["overlay"] == []


@pytest.mark.parametrize(
    ("model", "body", "status"),
    [("nobody", {"enabled": True}, 404), ("large", {}, 400), ("large", {"enabled": 1}, 400)],
)
def test_a_model_is_switched_by_a_boolean(
    untouched_admin: Admin, model: str, body: dict[str, object], status: int
) -> None:
    assert untouched_admin.http.patch(f"/admin/v1/models/{model}", json=body).status_code == status


def test_the_audit_says_who_did_what_and_why_newest_first(admin: Admin) -> None:
    admin.split({"support-v1": 10, "support-v2": 90}, reason="ramp")
    admin.act("POST", "/rollback", {"reason": "too soon"})
    entries = admin.http.get("/admin/v1/audit").json()["entries"]
    assert [(entry["who"], entry["action"], entry["reason"]) for entry in entries] == [
        ("ops", "rollback", "too soon"),
        ("ops", "split", "ramp"),
        ("file", "file", None),
    ]
    assert entries[1]["detail"]["split"]["to"]["support-v2"] == 9000


def test_the_audit_comes_in_pages(admin: Admin) -> None:
    for share in (10, 20, 30):
        admin.split({"support-v1": share, "support-v2": 100 - share})
    first = admin.http.get("/admin/v1/audit", params={"route": "support", "limit": 2}).json()
    second = admin.http.get(
        "/admin/v1/audit", params={"route": "support", "limit": 2, "before_id": first["next_before_id"]}
    ).json()
    assert [entry["revision"] for entry in first["entries"]] == [4, 3]
    assert [entry["revision"] for entry in second["entries"]] == [2]
    assert second["next_before_id"] is None


@pytest.mark.parametrize(
    ("name", "value"), [("limit", "0"), ("limit", "x"), ("before_id", "-1"), ("before_id", "9" * 30)]
)
def test_a_wrong_parameter_is_named(untouched_admin: Admin, name: str, value: str) -> None:
    answer = untouched_admin.http.get("/admin/v1/audit", params={name: value})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == name


def test_workers_show_what_each_has_in_force(admin: Admin, standin: Callable[[str], StandinWorker]) -> None:
    standin("w1").report(revision=1)
    standin("w2").report(revision=0, ready=False, heartbeat_us=1)
    body = admin.http.get("/admin/v1/workers").json()
    assert body["revision"] == 1
    [worker] = body["workers"]
    assert (worker["writer_id"], worker["revision"], worker["ready"]) == ("w1", 1, True)
    assert 0 <= worker["heartbeat_age_s"] < 10


def test_the_page_of_metrics_has_what_only_the_control_plane_knows(
    admin: Admin, parts: Parts, standin: Callable[[str], StandinWorker]
) -> None:
    standin("w1").report(revision=2)
    standin("w2").report(revision=1)
    admin.split({"support-v1": 12.5, "support-v2": 87.5})
    wait_until(lambda: len(parts.observer.seen.workers) == 2, "the workers are seen")
    answer = admin.http.get("/metrics", headers=auth(SCRAPER))
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert "gateway_config_revision 1.0" in lines
    assert "gateway_config_last_reload_successful 1.0" in lines
    assert 'gateway_config_overlay{route="support"} 1.0' in lines
    assert 'gateway_config_overlay{route="bare"} 0.0' in lines
    assert 'gateway_split_ratio{arm="support-v1",route="support"} 0.125' in lines
    assert len([line for line in lines if line.startswith("# TYPE gateway_config_revision ")]) == 1


def test_a_roll_back_is_still_counted_after_a_restart_of_the_control_plane(
    admin: Admin, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.split({"support-v1": 0, "support-v2": 100})
    admin.act("POST", "/rollback")
    name = b'gateway_rollback_duration_seconds_count{route="support"} 1.0'
    wait_until(lambda: name in parts.page.render(), "the roll-back is counted")
    parts.page.close()
    from gateway.control.page import Page

    directory = metrics_dir(parts.store.path.parent / "state")
    again = Page(directory, lambda: parts.observer.seen, lambda: True)
    assert name in again.render()


def test_metrics_need_their_own_scope(untouched_admin: Admin) -> None:
    assert untouched_admin.http.get("/metrics", headers=auth(OPS)).status_code == 403
