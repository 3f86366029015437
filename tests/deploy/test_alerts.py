"""Every alert has a page that says what to do, and tests that make it fire and that do not."""

from collections.abc import Iterator

import pytest
import yaml

from tests.deploy.dashboards import ROOT, RULE_TESTS, RUNBOOKS, alerts

ALERTS = {rule["alert"]: rule for rule in alerts()}
by_name = pytest.mark.parametrize("name", sorted(ALERTS))
SECTIONS = ("## What it means", "## What to look at", "## What to do")


def expectations(name: str) -> Iterator[list[object]]:
    """What the rule tests expect of an alert, each time."""
    for path in sorted(RULE_TESTS.glob("*.yaml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            yield from (e["exp_alerts"] for e in test.get("alert_rule_test", []) if e["alertname"] == name)


@by_name
def test_an_alert_has_a_runbook_that_names_it(name: str) -> None:
    page = (ROOT / ALERTS[name]["annotations"]["runbook"]).read_text()
    assert name in page
    assert [section for section in SECTIONS if section not in page] == []


@by_name
def test_an_alert_is_tested_when_it_fires_and_when_it_does_not(name: str) -> None:
    assert {bool(expected) for expected in expectations(name)} == {True, False}


@by_name
def test_an_alert_says_how_urgent_it_is_in_a_sentence(name: str) -> None:
    assert ALERTS[name]["labels"]["severity"] in {"page", "ticket", "info"}
    assert ALERTS[name]["annotations"]["summary"]


def test_every_runbook_belongs_to_an_alert() -> None:
    named = {rule["annotations"]["runbook"] for rule in ALERTS.values()}
    pages = {path.relative_to(ROOT).as_posix() for path in RUNBOOKS.glob("*.md") if path.name != "README.md"}
    assert pages == named
