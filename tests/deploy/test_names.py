"""Whatever dashboards, rules and alerts name is there to be scraped."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics.families import DataPlaneMetrics
from gateway.metrics.idle import idle_cost
from gateway.metrics.lag import LoopLag
from gateway.metrics.loops import LoopTimes
from gateway.metrics.savings import savings_counter
from tests.deploy import vllm_metrics
from tests.deploy.dashboards import DASHBOARDS, expressions, metrics_in, recorded, rules
from tests.fakes.control import SCRAPER, Admin, StandinWorker, auth, wait_until


def shown(families: Iterable[str], kinds: Iterable[str]) -> set[str]:
    """What is on the page: counters with their suffix."""
    return {f"{name}_total" if kind == "counter" else name for name, kind in zip(families, kinds, strict=True)}


@pytest.fixture
def known(admin: Admin, standin: Callable[[str], StandinWorker]) -> set[str]:
    """Every metric that the two planes and vLLM have."""
    standin("worker").report()

    def page() -> str:
        return admin.http.get("/metrics", headers=auth(SCRAPER)).text

    wait_until(lambda: "gateway_config_revision" in page(), "the control plane knows its routes and its worker")
    registry = CollectorRegistry()
    for counting in (DataPlaneMetrics, LoopLag, LoopTimes, idle_cost, savings_counter):
        counting(registry)
    families = [*registry.collect(), *text_string_to_metric_families(page())]
    ours = shown([family.name for family in families], [family.type for family in families])
    return ours | vllm_metrics.NAMES | recorded()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_names_only_metrics_that_are_there(path: Path, known: set[str]) -> None:
    named = {name for expr in expressions(path) for name in metrics_in(expr)}
    assert named - known == set()
    assert named


def test_rules_name_only_metrics_that_are_there(known: set[str]) -> None:
    assert {name for rule in rules() for name in metrics_in(rule["expr"])} - known == set()


def test_a_metric_that_is_not_there_is_noticed(known: set[str]) -> None:
    assert metrics_in("rate(gateway_requests_totl[5m]) # gateway_in_a_comment") - known == {"gateway_requests_totl"}
