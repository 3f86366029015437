"""`fallgate experiment`, against a real admin API."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.control.parts import Parts
from gateway.store.tables import experiment_results
from routing.experiment.contract import Goal, MetricName
from tests.fakes.control import OPS, Admin, StandinWorker
from tests.gateway.control.test_admin_experiment import OWN, put_in_file


def run(url: str, *arguments: str) -> Result:
    environ = {"FALLGATE_ADMIN_URL": url, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(("experiment", *arguments)), ["experiment", *arguments], env=environ)


@pytest.fixture
def planned(admin: Admin, parts: Parts) -> Admin:
    goal = Goal(metric=MetricName.FEEDBACK_SUCCESS, margin=0.02)
    put_in_file(parts, replace(OWN, primary=goal))
    return admin


def test_it_is_shown_in_a_few_lines(planned: Admin) -> None:
    result = run(planned.url, "support")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "v2: planned (it has not been started)",
        "support-v2 against support-v1 on feedback_success, where 0.02 worse is good enough; mode auto",
        "  latency_p95_ms may be worse by 200",
        "step 1 of 5: 1 %",
        "ends without a verdict on 1970-04-01 00:00:00 UTC",
    ]


def test_an_action_is_done_and_shown(planned: Admin) -> None:
    result = run(planned.url, "support", "start", "--reason", "go")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "v2: running (started by ops: go)"
    assert result.stdout.splitlines()[3].startswith("step 1 of 5: 1 % since 20")
    for action, state in (("pause", "paused"), ("resume", "running"), ("abort", "rolled back")):
        assert run(planned.url, "support", action).stdout.startswith(f"v2: {state} (")


def test_with_json_it_is_one_object(planned: Admin) -> None:
    found = json.loads(run(planned.url, "support", "start", "--json").stdout)
    assert (found["ok"], found["state"], found["workers"], found["in_force_after_ms"]) == (True, "running", 0, None)
    shown = json.loads(run(planned.url, "support", "--json").stdout)
    assert shown["strata"] == found["strata"] != []


def test_what_was_seen_last_is_a_table(planned: Admin, parts: Parts) -> None:
    found = json.loads(run(planned.url, "support", "start", "--json").stdout)
    effects = {
        "feedback_success": {"effect": 0.0123, "lower": -0.01, "upper": 0.04},
        "cost_usd": {"effect": -0.5, "lower": None, "upper": None},
    }
    move = {"kind": "roll_back", "reason": "because", "to_step": None, "is_acted_on": False}
    body = {"effects": effects, "ruling": "roll_back", "reason": "it hurts", "move": move}
    with parts.store.writing() as connection:
        row = {"experiment_id": found["id"], "at_us": 1_000_000, "body": json.dumps(body)}
        connection.execute(insert(experiment_results), row)

    lines = [line.split() for line in run(planned.url, "support").stdout.splitlines()[5:]]
    assert lines == [
        ["metric", "effect", "from", "to"],
        ["feedback_success", "+0.0123", "-0.01", "+0.04"],
        ["cost_usd", "-0.5", "unknown", "unknown"],
        ["looked", "at", "on", "1970-01-01", "00:00:01", "UTC"],
        ["roll_back:", "it", "hurts"],
        ["would", "do:", "roll", "back:", "because"],
    ]


def test_a_refusal_exits_1_with_the_sentence_of_the_gateway(planned: Admin) -> None:
    result = run(planned.url, "support", "resume")
    assert result.exit_code == 1
    assert result.stderr == "fallgate experiment: experiment 'v2' of route 'support' is planned, not paused\n"
    found = json.loads(run(planned.url, "bare", "--json").stdout)
    assert (found["ok"], found["error"]["code"]) == (False, "no_experiment")


def test_a_worker_that_does_not_follow_is_named(
    planned: Admin, standin: Callable[[str], StandinWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.client.IN_FORCE_TIMEOUT_S", 0.2)
    standin("w1-stuck").report(revision=1)
    result = run(planned.url, "support", "start")
    assert result.exit_code == 1
    assert "revision 3 is published, but 1 of 1 workers did not report it" in result.stderr


def test_an_action_that_there_is_not_exits_2() -> None:
    assert run("", "support", "promote").exit_code == 2
