"""The dashboards, the rules and the runbooks as they are in the repository, for tests that read them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES = ROOT / "deploy" / "prometheus" / "rules"
RULE_TESTS = ROOT / "deploy" / "prometheus" / "tests"
RUNBOOKS = ROOT / "docs" / "runbooks"

_METRIC = re.compile(r"\b(?:gateway_\w+|vllm:\w+|route:[\w:]+)")
_HISTOGRAM_PART = re.compile(r"_(?:bucket|count|sum)$")


def panels(path: Path) -> Iterator[dict[str, Any]]:
    """Those that ask something."""
    yield from (panel for panel in json.loads(path.read_text())["panels"] if panel["type"] != "row")


def expressions(path: Path) -> list[str]:
    """Every query of a dashboard."""
    return [target["expr"] for panel in panels(path) for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    """Recording rules and alerts."""
    return [
        rule
        for path in sorted(RULES.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> list[dict[str, Any]]:
    """The alerts among the rules."""
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    """What recording rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def metrics_in(expr: str) -> set[str]:
    """The metrics that an expression names, as a page of metrics calls its families; recorded ones as they are."""
    code = re.sub(r"#[^\n]*", "", expr)
    return {name if ":" in name else _HISTOGRAM_PART.sub("", name) for name in _METRIC.findall(code)}
