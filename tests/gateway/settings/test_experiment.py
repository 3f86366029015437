"""Experiments of a route: what is read, what is refused and where, and what is worth a word."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
import yaml

from gateway.settings.experiment import duration_us
from gateway.settings.load import load_text
from gateway.settings.models import Experiment, Guardrail, PrimaryMetric
from gateway.settings.problems import ConfigError
from gateway.settings.redact import shown
from gateway.settings.schema import json_schema
from routing.experiment.contract import ExperimentMode, MetricName

AT_US = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000
LEAST = {
    "name": "second",
    "baseline": "v1",
    "candidate": "v2",
    "primary": {"metric": "feedback_success"},
    "stop": "2026-12-31",
}
PLACE = "routes.support.experiment"


def file(experiment: object, **route: object) -> dict[str, Any]:
    upstream = {"provider": "vllm", "base_url": "http://h/v1", "model": "m"}
    return {
        "keys": [{"name": "app", "secret": "0123456789abcdef", "scopes": ["inference"]}],
        "models": dict.fromkeys(("v1", "v2", "v3", "large"), upstream),
        "routes": {
            "support": {
                "split": {"v1": 100, "v2": 0},
                "fallback": {"to": "large"},
                "experiment": experiment,
                **route,
            }
        },
    }


def load(experiment: object, **route: object) -> Experiment:
    found = load_text(yaml.safe_dump(file(experiment, **route)), {}, clock=lambda: AT_US).config
    assert found.routes["support"].experiment is not None
    return found.routes["support"].experiment


def said(experiment: object, **route: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(experiment, **route)
    return [str(problem) for problem in caught.value.problems]


def warnings(experiment: object, **route: object) -> list[str]:
    return list(map(str, load_text(yaml.safe_dump(file(experiment, **route)), {}, clock=lambda: AT_US).warnings))


def test_the_least_that_can_be_said_has_the_defaults() -> None:
    assert load(LEAST) == Experiment(
        name="second",
        baseline="v1",
        candidate="v2",
        mode=ExperimentMode.OBSERVE,
        primary=PrimaryMetric(metric=MetricName.FEEDBACK_SUCCESS),
        guardrails=(),
        min_units=500,
        planned_units=5000,
        alpha=0.05,
        steps=tuple(map(Decimal, (1, 5, 25, 50, 100))),
        soak="1h",
        horizon="24h",
        stop=datetime(2026, 12, 31, tzinfo=UTC),
        holdout=Decimal(0),
    )
    assert warnings(LEAST) == []


def test_everything_can_be_said() -> None:
    found = load(
        {
            **LEAST,
            "mode": "auto",
            "primary": {"metric": "audit_agreement", "margin": 0.02},
            "guardrails": [{"metric": "latency_p95_ms", "margin": 200}, {"metric": "failure_share", "margin": 0}],
            "min_units": 100,
            "planned_units": 20_000,
            "alpha": 0.1,
            "steps": [0.01, 2.5, 100],
            "soak": "10s",
            "horizon": "first_request",
            "stop": "2026-12-31T18:00+01:00",
            "holdout": 5.5,
        }
    )
    assert found.guardrails == (
        Guardrail(metric=MetricName.LATENCY_P95_MS, margin=200),
        Guardrail(metric=MetricName.FAILURE_SHARE, margin=0),
    )
    assert found.primary.margin == 0.02
    assert found.steps == (Decimal("0.01"), Decimal("2.5"), Decimal(100))
    assert found.stop == datetime(2026, 12, 31, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "us"),
    [("0s", 0), ("10s", 10_000_000), ("30m", 1_800_000_000), ("24h", 86_400_000_000), ("7d", 604_800_000_000)],
)
def test_durations_are_numbers_with_a_unit(text: str, us: int) -> None:
    assert duration_us(load({**LEAST, "soak": text}).soak) == us


def test_the_first_request_alone_is_no_time() -> None:
    assert duration_us("first_request") == 0


NO_DURATION = "is not a duration, such as 30m, 24h or 7d"
NEGATIVE = (
    "is not allowed; a margin says by how much the candidate may be worse, and is never negative, whichever "
    "direction is better"
)
NO_DATE = "is not a date, such as 2026-12-31, or a time, such as 2026-12-31T18:00Z"
NO_ARM = "is no arm of this route's split; name it there, with 0 if it has no share yet"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"baseline": "v2"}, ".candidate: 'v2' is the baseline too; an experiment compares two arms"),
        ({"candidate": "v3"}, f".candidate: 'v3' {NO_ARM}"),
        ({"candidate": "v9"}, ".candidate: 'v9' is not declared in models"),
        (
            {"baseline": "large"},
            ".baseline: 'large' is this route's fallback, which stands behind both arms and is none of them",
        ),
        ({"primary": {"metric": "latency_ms", "margin": -5}}, f".primary.margin: -5 {NEGATIVE}"),
        (
            {"primary": {"metric": "feedback_success", "margin": 0}},
            ".primary: a margin of 0 asks for a candidate that is better: leave it out",
        ),
        (
            {"primary": {"metric": "feedback_success", "margin": 2}},
            ".primary: a margin of 2 of feedback_success, which lies between 0 and 1, excludes nothing; 0.02 is two "
            "points",
        ),
        (
            {"guardrails": [{"metric": "failure_share", "margin": 1}]},
            ".guardrails.0: a margin of 1 of failure_share, which lies between 0 and 1, excludes nothing; 0.02 is two "
            "points",
        ),
        ({"guardrails": [{"metric": "cost_usd", "margin": -0.5}]}, f".guardrails.0.margin: -0.5 {NEGATIVE}"),
        ({"guardrails": [{"metric": "cost_usd"}]}, ".guardrails.0.margin: required"),
        (
            {"guardrails": [{"metric": "cost_usd", "margin": 1}, {"metric": "cost_usd", "margin": 2}]},
            ".guardrails.1.metric: 'cost_usd' is guardrails.0 too; keep one of them",
        ),
        (
            {"guardrails": [{"metric": "feedback_success", "margin": 0.1}]},
            ".guardrails.0.metric: 'feedback_success' is the primary metric, which is watched anyway",
        ),
        ({"steps": [5, 1, 100]}, ".steps: go down from 5 to 1; a step is never down"),
        ({"steps": [5, 5, 100]}, ".steps: have 5 twice"),
        ({"steps": [5, 50]}, ".steps: must end at 100, as in [1, 5, 25, 50, 100]"),
        ({"steps": []}, ".steps: must end at 100, as in [1, 5, 25, 50, 100]"),
        ({"steps": [0, 100]}, ".steps.0: 0 is not allowed; must be more than 0"),
        ({"steps": [0.001, 100]}, ".steps.0: 0.001 has too many decimals; two at most"),
        (
            {"steps": [100]},
            ": steps begin at 100, which leaves the baseline no unit; begin lower, or keep a holdout",
        ),
        (
            {"steps": [0.01, 0.02, 100], "holdout": 50},
            ": has two steps that are the same share of the units once the holdout is taken away",
        ),
        ({"holdout": 51}, ".holdout: 51 is not allowed; must be 50 or less"),
        ({"min_units": 99}, ".min_units: 99 is not allowed; must be 100 or more"),
        ({"planned_units": 199}, ".planned_units: 199 is not allowed; must be 200 or more"),
        ({"alpha": 0.5}, ".alpha: 0.5 is not allowed; must be less than 0.5"),
        ({"soak": 60}, f".soak: 60 {NO_DURATION}"),
        ({"soak": "1w"}, f".soak: '1w' {NO_DURATION}"),
        ({"soak": "367d"}, ".soak: '367d' is longer than 366d"),
        ({"horizon": "soon"}, f".horizon: 'soon' {NO_DURATION}, and not first_request"),
        (
            {"horizon": "0h"},
            ".horizon: '0h' leaves no time for anything; first_request counts a unit's first request alone",
        ),
        ({"stop": "soon"}, f".stop: 'soon' {NO_DATE}"),
        ({"stop": 20261231}, f".stop: 20261231 {NO_DATE}"),
        ({"mode": "automatic"}, ".mode: 'automatic' is not known; use 'observe' or 'auto'"),
        ({"margin": 1}, ".margin: unknown key; it belongs in primary"),
    ],
)
def test_a_bad_contract_is_refused_where_it_is_bad(change: dict[str, object], sentence: str) -> None:
    assert said({**LEAST, **change}) == [PLACE + sentence]


def test_an_unknown_metric_is_refused_with_those_that_there_are() -> None:
    (sentence,) = said({**LEAST, "primary": {"metric": "success"}})

    assert sentence.startswith(f"{PLACE}.primary.metric: 'success' is not known; use 'feedback_success', 'audit_")
    assert all(repr(metric.value) in sentence for metric in MetricName)


def test_what_is_missing_is_told_all_at_once() -> None:
    assert sorted(said({})) == [
        f"{PLACE}.{key}: required" for key in ("baseline", "candidate", "name", "primary", "stop")
    ]
    assert said("auto") == [f"{PLACE}: must be a mapping, that is, lines of KEY: VALUE"]


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"stop": "2026-11-01"}, "stop: is in the past; the experiment ends as soon as it is looked at"),
        (
            {"primary": {"metric": "audit_agreement"}},
            "primary.metric: is never measured, since this route has no audit",
        ),
        (
            {"guardrails": [{"metric": "cost_usd", "margin": 1}, {"metric": "audit_agreement", "margin": 0.1}]},
            "guardrails.1.metric: is never measured, since this route has no audit",
        ),
    ],
)
def test_what_is_allowed_and_worth_a_word(change: dict[str, object], warning: str) -> None:
    assert warnings({**LEAST, **change}) == [f"{PLACE}.{warning}"]


def test_a_candidate_that_has_units_already_is_worth_a_word() -> None:
    assert warnings(LEAST, split={"v1": 87.5, "v2": 12.5}) == [
        f"{PLACE}.candidate: has 12.5 percent of the units in the split; at the start it gets 1"
    ]


def test_the_configuration_that_is_shown_can_be_read_again() -> None:
    whole = load_text(yaml.safe_dump(file({**LEAST, "guardrails": [{"metric": "cost_usd", "margin": 1}]})), {}).config
    tree = shown(whole)["routes"]["support"]["experiment"]

    assert load(tree) == whole.routes["support"].experiment


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"soak": "${SOAK}", "horizon": "first_request", "min_units": "${UNITS}"}, True),
        ({"primary": {"metric": "cost_usd", "margin": 0.1}, "steps": [0.5, 100]}, True),
        ({"soak": "1w"}, False),
        ({"horizon": 3}, False),
        ({"primary": {"metric": "success"}}, False),
        ({"primary": {"metric": "cost_usd", "margin": 0}}, False),
        ({"guardrails": [{"metric": "cost_usd", "margin": -1}]}, False),
        ({"alpha": 0.5}, False),
        ({"steps": [0]}, False),
        ({"stop": None}, False),
        ({"unknown": 1}, False),
    ],
)
def test_the_schema_sees_what_a_schema_can_see(change: dict[str, object], *, is_valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())

    assert validator.is_valid(file({**LEAST, **change})) is is_valid
