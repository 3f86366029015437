"""Versions over the admin API: where they come from, and who promoted them."""

import json

import pytest

from gateway.control.parts import Parts
from gateway.store import audit, versions
from tests.fakes.control import Admin

SHA = "cd" * 32
LINEAGE = {
    "version": "v2",
    "base_model": "smol",
    "dataset": {"name": "tickets", "sha256": SHA, "train": 1588},
    "evaluation": {"accuracy": 0.9250, "n": 298},
    "created": "2026-11-25",
    "created_by": "train.py",
}


def register(admin: Admin, lineage: object = LINEAGE, model: str = "support-v2", **more: object) -> dict[str, object]:
    answer = admin.http.put(f"/admin/v1/models/{model}/lineage", json={"lineage": lineage, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def test_what_is_registered_is_listed_and_shown(admin: Admin) -> None:
    assert admin.http.get("/admin/v1/versions").json() == {"revision": 1, "versions": []}
    assert register(admin, reason="trained on November")["changed"] is True
    [listed] = admin.http.get("/admin/v1/versions").json()["versions"]
    shown = admin.http.get("/admin/v1/versions/support-v2").json()
    assert listed.items() <= shown.items()
    assert (listed["model"], listed["base_model"], listed["dataset_sha256"]) == ("support-v2", "smol", SHA)
    assert listed["evaluation"] == {"accuracy": 0.925, "n": 298}
    assert (listed["arm_of"], listed["configured"], listed["promoted"]) == (["support"], True, None)
    assert shown["lineage"] == LINEAGE | {"training": {}}


def test_a_registration_is_in_the_audit_once(admin: Admin, parts: Parts) -> None:
    register(admin, reason="trained on November")
    assert register(admin)["changed"] is False
    [entry] = [one for one in audit.entries(parts.store) if one.action == "register"]
    assert (entry.who, entry.reason, entry.revision) == ("ops", "trained on November", None)
    assert entry.detail == {"model": "support-v2", "dataset_sha256": SHA}


def test_a_registration_that_the_file_will_undo_says_so(admin: Admin) -> None:
    assert "counts again when the file is read" in str(register(admin, model="support-v1")["note"])
    assert register(admin, model="large")["note"] is None


def test_who_promoted_a_version_is_known(admin: Admin) -> None:
    register(admin)
    admin.split({"support-v2": 100}, reason="better by 3 points")
    admin.split({"support-v1": 50, "support-v2": 50})
    promoted = admin.http.get("/admin/v1/versions/support-v2").json()["promotions"]
    assert [(one["route"], one["revision"], one["who"], one["action"], one["reason"]) for one in promoted] == [
        ("support", 2, "ops", "split", "better by 3 points")
    ]
    assert promoted[0]["at_us"] > 0


def test_a_version_that_the_file_gives_everything_is_promoted_by_the_file(admin: Admin, parts: Parts) -> None:
    versions.record(parts.store, "support-v1", {"version": "v1"})
    promoted = admin.http.get("/admin/v1/versions/support-v1").json()["promoted"]
    assert (promoted["route"], promoted["who"], promoted["action"]) == ("bare", "file", "file")


def test_a_version_that_left_the_configuration_is_still_known(admin: Admin, parts: Parts) -> None:
    versions.record(parts.store, "support-v0", {"version": "v0"})
    shown = admin.http.get("/admin/v1/versions/support-v0").json()
    assert (shown["configured"], shown["arm_of"]) == (False, [])


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("support-v2", "'support-v2' is not registered: give it a lineage"),
        ("nothing", "there is no version 'nothing'; models are large, support-v1, support-v2"),
    ],
)
def test_a_version_that_is_not_known_is_404(untouched_admin: Admin, model: str, said: str) -> None:
    answer = untouched_admin.http.get(f"/admin/v1/versions/{model}")
    assert answer.status_code == 404
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "lineage"),
        ({"lineage": {"dataset": {"sha256": "short"}}}, "lineage.dataset.sha256"),
        ({"lineage": {"created": "last summer"}}, "lineage.created"),
        ({"lineage": {"version": "a\0b"}}, "lineage"),
        ({"lineage": {"version": "\ud800"}}, "lineage"),
        ({"lineage": {"nonsense": 1}, "why": "x"}, "why"),
    ],
)
def test_a_lineage_that_says_nonsense_is_refused_with_its_place(
    untouched_admin: Admin, body: dict[str, object], param: str
) -> None:
    answer = untouched_admin.http.put("/admin/v1/models/support-v2/lineage", content=json.dumps(body))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(param)


def test_a_model_that_is_not_there_cannot_be_registered(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.put("/admin/v1/models/nothing/lineage", json={"lineage": {}})
    assert answer.status_code == 404
