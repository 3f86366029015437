"""The experiment of a route through the admin API: what is shown, what may be done when, and who wins."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from msgspec import structs
from sqlalchemy import insert

from gateway.control.parts import Parts
from gateway.store.tables import experiment_results
from routing.experiment.contract import Contract
from routing.words import ModelName, RouteName
from tests.fakes.control import Admin, StandinWorker
from tests.fakes.experiments import CONTRACT

SUPPORT = RouteName("support")
V1, V2 = ModelName("support-v1"), ModelName("support-v2")
OWN = replace(CONTRACT, baseline=V1, candidate=V2)
PATH = "/admin/v1/routes/support/experiment"


def put_in_file(parts: Parts, contract: Contract | None) -> None:
    file = parts.file_in_force()
    assert file is not None
    route = structs.replace(file.routes[SUPPORT], experiment=contract)
    parts.publisher.publish_file(structs.replace(file, routes={**file.routes, SUPPORT: route}), "file")


@pytest.fixture
def planned(admin: Admin, parts: Parts) -> Admin:
    """An admin API whose route has an experiment in the file."""
    put_in_file(parts, OWN)
    return admin


def act(admin: Admin, action: str, etag: str | None = None, body: object = None) -> httpx.Response:
    headers = {"if-match": etag or admin.etag()}
    return admin.http.post(f"{PATH}/{action}", headers=headers, json=body)


def shown(admin: Admin) -> dict[str, Any]:
    answer = admin.http.get(PATH)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_one_that_was_not_started_shows_its_contract(planned: Admin) -> None:
    answer = planned.http.get(PATH)
    body = answer.json()
    assert answer.headers["etag"] == body["etag"] == planned.etag()
    assert body.pop("contract") == {
        "name": "v2",
        "baseline": "support-v1",
        "candidate": "support-v2",
        "mode": "auto",
        "primary": {"metric": "feedback_success", "margin": None},
        "guardrails": [{"metric": "latency_p95_ms", "margin": 200}],
        "min_units": 500,
        "planned_units": 5000,
        "alpha": 0.05,
        "steps": [1, 5, 25, 50, 100],
        "soak_s": 3600,
        "horizon_s": 86400,
        "stop_us": CONTRACT.stop_us,
        "holdout": 0,
    }
    assert body == {
        "route": "support",
        "revision": 2,
        "etag": planned.etag(),
        "name": "v2",
        "id": None,
        "state": "planned",
        "reason": "it has not been started",
        "step": 0,
        "percent": 1,
        "step_since_us": None,
        "started_us": None,
        "ended_us": None,
        "salt": None,
        "strata": [],
        "result": None,
        "decision": None,
        "move": None,
        "experiments": [],
    }


def test_it_is_started_paused_resumed_and_aborted(planned: Admin) -> None:
    started = act(planned, "start", body={"reason": "go"})
    assert started.status_code == 200
    body = started.json()
    assert (body["state"], body["reason"], body["revision"]) == ("running", "started by ops: go", 3)
    assert started.headers["etag"] == body["etag"] == planned.etag()
    assert [(one["step"], one["percent"], one["ranges_revision"]) for one in body["strata"]] == [(0, 1, 3)]
    route = planned.route().json()
    assert route["split"] == {"support-v1": 99, "support-v2": 1}
    assert route["experiment"] == {
        "name": "v2",
        "state": "running",
        "step": 0,
        "baseline": "support-v1",
        "candidate": "support-v2",
    }

    assert act(planned, "pause").json()["state"] == "paused"
    assert act(planned, "resume").json()["state"] == "running"
    aborted = act(planned, "abort", body={"reason": "enough"}).json()
    assert (aborted["state"], aborted["reason"]) == ("rolled_back", "aborted by ops: enough")
    assert aborted["ended_us"] >= aborted["started_us"]
    assert [one["name"] for one in aborted["experiments"]] == ["v2"]
    assert planned.route().json()["split"] == {"support-v1": 50, "support-v2": 50}
    entries = planned.http.get("/admin/v1/audit?limit=4").json()["entries"]
    assert [(one["action"], one["who"]) for one in entries] == [("experiment", "ops")] * 4


def test_what_was_seen_last_is_shown_with_what_follows(planned: Admin, parts: Parts) -> None:
    experiment_id = act(planned, "start").json()["id"]
    move = {"kind": "stay", "reason": "1 % has to last 3600 s longer", "to_step": None, "is_acted_on": False}
    seen = {"ruling": "wait", "reason": "0 units in an arm, where 500 are needed", "move": move, "effects": {}}
    with parts.store.writing() as connection:
        row = {"experiment_id": experiment_id, "at_us": 7, "body": json.dumps(seen)}
        connection.execute(insert(experiment_results), row)

    body = shown(planned)
    assert body["result"] == {"at_us": 7, **seen}
    assert body["decision"] == {"ruling": "wait", "reason": seen["reason"]}
    assert body["move"] == move


def test_a_split_by_hand_pauses_it(planned: Admin) -> None:
    act(planned, "start")
    planned.split({"support-v1": 80, "support-v2": 20})

    assert (shown(planned)["state"], shown(planned)["reason"]) == ("paused", "manual")


def test_an_earlier_one_is_found_by_its_name(planned: Admin, parts: Parts) -> None:
    act(planned, "start")
    act(planned, "abort")
    put_in_file(parts, replace(OWN, name="again", horizon_us=0))

    assert (shown(planned)["name"], shown(planned)["state"]) == ("again", "planned")
    assert shown(planned)["contract"]["horizon_s"] is None
    earlier = planned.http.get(f"{PATH}?name=v2").json()
    assert (earlier["name"], earlier["state"]) == ("v2", "rolled_back")
    for name in ("v9", "%00"):
        assert error(planned.http.get(f"{PATH}?name={name}")) == (404, "no_experiment")
    put_in_file(parts, None)
    assert error(planned.http.get(PATH)) == (404, "no_experiment")
    assert planned.http.get(f"{PATH}?name=v2").json()["state"] == "rolled_back"


def test_one_that_is_aborted_after_it_left_the_file_is_still_shown(planned: Admin, parts: Parts) -> None:
    act(planned, "start")
    put_in_file(parts, None)
    answer = act(planned, "abort")

    assert (answer.status_code, answer.json()["state"]) == (200, "rolled_back")


def test_a_route_without_one_says_where_to_write_it(admin: Admin) -> None:
    for answer in (admin.http.get(PATH), act(admin, "start"), act(admin, "abort")):
        assert error(answer) == (404, "no_experiment")
        assert answer.json()["error"]["message"] == (
            "route 'support' has no experiment in the file; write one at routes.support.experiment"
        )
    assert admin.route().json()["experiment"] is None
    nowhere = "/admin/v1/routes/nowhere/experiment"
    assert error(admin.http.get(nowhere)) == (404, "route_not_found")
    assert error(admin.http.post(f"{nowhere}/start", headers={"if-match": "*"})) == (404, "route_not_found")


def test_a_wrong_state_is_a_conflict(planned: Admin) -> None:
    assert error(act(planned, "pause")) == (409, "wrong_state")
    act(planned, "start")
    answer = act(planned, "start")
    assert error(answer) == (409, "wrong_state")
    assert "is running; abort it before another one is started" in answer.json()["error"]["message"]


@pytest.mark.parametrize("action", ["start", "pause", "resume", "abort"])
def test_a_change_says_what_it_is_based_on_and_nothing_unknown(planned: Admin, action: str) -> None:
    path = f"{PATH}/{action}"
    assert error(planned.http.post(path)) == (428, "precondition_required")
    stale = planned.http.post(path, headers={"if-match": '"stale"'}, json={"reason": 1})
    assert error(stale) == (412, "precondition_failed")
    refused = act(planned, action, body={"step": 3})
    assert error(refused) == (400, "invalid_value")
    assert refused.json()["error"]["param"] == "step"


def test_of_two_operators_at_once_one_wins(planned: Admin) -> None:
    etag = planned.etag()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda action: act(planned, action, etag), ["start"] * 4))

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert shown(planned)["revision"] == 3


def test_an_abort_is_measured_as_a_roll_back(
    planned: Admin, parts: Parts, standin: Callable[[str], StandinWorker]
) -> None:
    worker = standin("w1")
    act(planned, "start")
    act(planned, "abort")
    worker.report(revision=4)
    parts.observer.look()

    scraped = planned.http.get("/metrics", headers={"authorization": "Bearer scraper-secret-0123456789"}).text
    assert 'gateway_rollback_duration_seconds_count{route="support"} 1.0' in scraped
