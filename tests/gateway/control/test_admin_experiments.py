"""All experiments at once."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.control.parts import Parts
from gateway.store import experiments
from gateway.store.experiment_results import add_result
from tests.fakes.control import OPS, Admin
from tests.fakes.experiments import CONTRACT, experiment


def fill(parts: Parts, p_values: list[float | None]) -> None:
    """Experiments with what was seen of their primary metrics; `None`: nothing yet."""
    with parts.store.writing() as connection:
        for number, p_value in enumerate(p_values):
            one = experiments.add(connection, experiment(replace(CONTRACT, name=f"e{number}"), ended_us=number + 1))
            effect = {"effect": 0.05, "lower": 0.01, "upper": 0.09, "p_value": p_value}
            body = {"primary": "feedback_success", "effects": {"feedback_success": effect}, "ruling": "better"}
            if p_value is not None:
                add_result(connection, one, 1, body, since_us=0)


def run(url: str, *words: str) -> Result:
    environ = {"FALLGATE_ADMIN_URL": url, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(["experiment"]), ["experiment", *words], env=environ)


@pytest.mark.parametrize(
    ("p_values", "holds"),
    [
        pytest.param([0.04], [True], id="one of one"),
        pytest.param([0.04, 1.0, 1.0, None], [False] * 4, id="what would do alone does not among four"),
        pytest.param([0.01, 1.0, 1.0, None], [True, False, False, False], id="what is surer does"),
        pytest.param([0.0, 1.0], [True, False], id="as sure as can be"),
        pytest.param([], [], id="none"),
    ],
)
def test_of_many_experiments_more_is_asked(
    admin: Admin, parts: Parts, p_values: list[float | None], holds: list[bool]
) -> None:
    fill(parts, p_values)
    found = admin.http.get("/admin/v1/experiments").json()
    assert found["false_share"] == 0.05
    assert [one["holds_among_all"] for one in found["experiments"]] == holds
    assert [one["name"] for one in found["experiments"]] == [f"e{number}" for number in range(len(p_values))]


def test_one_that_was_not_looked_at_has_no_figures(admin: Admin, parts: Parts) -> None:
    fill(parts, [None])
    [one] = admin.http.get("/admin/v1/experiments").json()["experiments"]
    assert (one["route"], one["state"], one["metric"]) == ("support", "running", "feedback_success")
    assert [one[part] for part in ("effect", "lower", "upper", "p_value", "ruling")] == [None] * 5


def test_the_command_without_a_route_lists_them(admin: Admin, parts: Parts) -> None:
    assert "no experiment was started yet" in run(admin.url).stdout
    fill(parts, [0.001, None])
    plain = run(admin.url)
    assert plain.exit_code == 0, plain.output
    assert "e0" in plain.stdout
    assert "differs" in plain.stdout
    told = json.loads(run(admin.url, "--json").stdout)
    assert told["ok"]
    assert len(told["experiments"]) == 2


def test_a_report_needs_a_route(admin: Admin) -> None:
    assert run(admin.url, "--report", "x.md").exit_code == 2
