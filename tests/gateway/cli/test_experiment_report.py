"""The page about an experiment, from a real admin API and what a real loop has seen."""

from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.cli.experiment_report import WIDTH, report
from gateway.clock import now_us
from gateway.control.endpoints.experiment_looks import MOST_LOOKS, thinned
from gateway.control.loops.experiments import Experiments
from gateway.control.parts import Parts
from gateway.store import experiments
from routing.experiment.contract import Goal, Limit, MetricName
from tests.fakes.control import OPS, SCRAPER, Admin, auth, wait_until
from tests.fakes.exposures import SECOND_US, Exposures
from tests.gateway.control.test_admin_experiment import OWN, SUPPORT, V1, V2, put_in_file

CONTRACT = replace(
    OWN,
    primary=Goal(metric=MetricName.FEEDBACK_SUCCESS),
    guardrails=(Limit(metric=MetricName.FAILURE_SHARE, margin=0.01),),
    min_units=100,
    steps=(5000, 10_000),
    horizon_us=0,
    stop_us=2**52,
)


def run(url: str, *arguments: str) -> Result:
    environ = {"FALLGATE_ADMIN_URL": url, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(("experiment", *arguments)), ["experiment", *arguments], env=environ)


@pytest.fixture
def seen(admin: Admin, parts: Parts) -> Admin:
    """An admin API whose route has an experiment that was looked at once: 300 units an arm, the candidate is better."""
    put_in_file(parts, CONTRACT)
    parts.publisher.start_experiment(SUPPORT, who="ops", reason="a | b", expected_etag=None)
    with parts.store.reading() as connection:
        found = experiments.open_one(connection, SUPPORT)
        assert found is not None
        [step] = experiments.steps(connection, found.id)
    started_us = found.progress.started_us or 0
    exposures, chance = Exposures(parts.store, started_us), Random(1)
    for arm, success in ((V1, 0.6), (V2, 0.9)):
        made = exposures.each([f"{arm}-{n}" for n in range(300)], arm, ranges_revision=step.ranges_revision)
        exposures.write(*made)
        for row, _ in made:
            exposures.say(row, success=chance.random() < success)
    loop = Experiments(parts.store, parts.publisher, lambda route, seconds: None, lambda: now_us() + 10 * SECOND_US)
    while loop.run():
        pass
    return admin


def test_the_page_has_everything_from_the_contract_to_the_ruling(seen: Admin, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    result = run(seen.url, "support", "--report", str(path))
    assert result.exit_code == 0, result.output
    page = path.read_text()
    assert page.startswith("# Experiment v2 on route support\n\n**Running**: ")
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert headings == [
        "Contract",
        "What happened",
        "Units",
        "Effects",
        "Guardrails",
        "Sample ratio",
        "The primary metric over time",
        "Ruling",
    ]
    assert "| primary metric | feedback_success, has to be better |" in page
    assert "| 1 | support-v2 | 50 % | 300 | 300 |" in page
    assert "| **feedback_success** |" in page
    assert "`promote`: feedback_success is better:" in page
    assert "| feedback_success.lower | 0." in page
    assert "failure_share | 0.01 |" in page
    assert "As it should be." in page


def test_what_an_operator_wrote_stays_text_in_a_cell(seen: Admin, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    run(seen.url, "support", "--report", str(path))
    row = next(line for line in path.read_text().splitlines() if "started by ops" in line and line.startswith("| "))
    assert row.endswith("| running | ops | started by ops: a \\| b |")


def test_before_the_start_there_is_the_contract_and_nothing_else(admin: Admin, parts: Parts, tmp_path: Path) -> None:
    put_in_file(parts, CONTRACT)
    path = tmp_path / "page.md"
    assert run(admin.url, "support", "--report", str(path)).exit_code == 0
    page = path.read_text()
    assert "Nothing has been seen yet." in page
    assert "## Effects" not in page


def test_a_page_that_cannot_be_written_is_a_failure_with_a_sentence(seen: Admin, tmp_path: Path) -> None:
    result = run(seen.url, "support", "--report", str(tmp_path / "nowhere" / "page.md"))
    assert result.exit_code == 1
    assert "page.md cannot be written: No such file or directory" in result.stderr


def test_the_plot_shows_where_the_interval_lies(seen: Admin) -> None:
    path = "/admin/v1/routes/support/experiment"
    found = seen.http.get(path).json()
    looks = [
        {"at_us": 0, "step": 0, "metric": "m", "units": 9, "effect": 0.0, "lower": -1.0, "upper": 1.0},
        {"at_us": 1, "step": 1, "metric": "m", "units": 99, "effect": 0.5, "lower": 0.0, "upper": 1.0},
        {"at_us": 2, "step": 1, "metric": "m", "units": 99, "effect": None, "lower": None, "upper": None},
    ]
    page = report(found, looks, [])
    plot = page.partition("## The primary metric over time")[2].partition("```text\n")[2].splitlines()
    assert plot[1][-WIDTH:] == "-" * (WIDTH // 2) + "*" + "-" * (WIDTH // 2 - 1)
    drawn = plot[2][-WIDTH:]
    assert drawn.strip().startswith("|")
    assert drawn.index("*") == round(0.75 * (WIDTH - 1))
    assert plot[3] == "```"  # what is unknown is not drawn


def test_looks_are_the_primary_metric_over_time(seen: Admin) -> None:
    body = seen.http.get("/admin/v1/routes/support/experiment/looks?name=v2").json()
    [look] = body["looks"]
    assert (look["metric"], look["step"], look["units"], look["ruling"]) == ("feedback_success", 0, 600, "promote")
    assert 0 < look["lower"] < look["effect"] < look["upper"]


@pytest.mark.parametrize("name", ["v9", "v%00"])
def test_looks_of_what_was_never_started_are_404(seen: Admin, name: str) -> None:
    answer = seen.http.get(f"/admin/v1/routes/support/experiment/looks?name={name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_experiment")


def test_many_looks_are_thinned_and_the_last_one_stays() -> None:
    looks = [{"at_us": number} for number in range(3 * MOST_LOOKS + 1)]
    kept = thinned(looks)
    assert len(kept) <= MOST_LOOKS
    assert kept[-1] == looks[-1]
    assert thinned(looks[:5]) == looks[:5]
    assert thinned([]) == []


def test_the_metrics_have_state_effects_and_sample_ratio(seen: Admin) -> None:
    def value(line: str) -> float | None:
        page = httpx.get(f"{seen.url}/metrics", headers=auth(SCRAPER), trust_env=False).text
        return next((float(one.split()[-1]) for one in page.splitlines() if one.startswith(f"{line} ")), None)

    labels = '{arm="support-v2",metric="feedback_success",route="support"}'
    wait_until(lambda: value(f"gateway_experiment_effect{labels}") is not None, "the effect is shown", timeout_s=20)
    assert value('gateway_experiment_state{route="support",state="running"}') == 1.0
    assert value('gateway_experiment_state{route="support",state="paused"}') == 0.0
    lower, upper = (value(f"gateway_experiment_effect_{end}{labels}") for end in ("lower", "upper"))
    assert lower is not None
    assert upper is not None
    assert 0 < lower < upper
    assert value('gateway_experiment_srm_pvalue{route="support"}') == 1.0
