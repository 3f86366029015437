"""How calibration is shown: to operators by the admin API, and to Prometheus."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control.figures import Figures
from gateway.control.parts import Parts
from gateway.records.batches import Batch, BatchWriter
from gateway.snapshot.change import PolicyChange
from gateway.store.calibrations import StoredCalibration
from gateway.store.labels import add_labels
from routing.confidence.features import FEATURE_NAMES
from routing.confidence.gate import ConfidenceMode
from routing.words import ModelName, RouteName
from tests.fakes.calibrations import RANK, stored
from tests.fakes.control import SCRAPER, Admin, auth, control_parts, serving_admin, wait_until
from tests.fakes.records import STARTED_US, audit_label, request_row

SUPPORT, V1, V2 = RouteName("support"), ModelName("support-v1"), ModelName("support-v2")
INTERVAL = {"value": 0.84, "low": 0.81, "high": 0.87}
ECE = {"value": 0.02, "low": 0.01, "high": 0.04}
QUALITY = {"whole": {"n": 400, "base_rate": 0.8, "auroc": INTERVAL, "ece": ECE}, "prefix": None, "origin": None}


def made(version: str, **changed: Any) -> StoredCalibration:
    one = stored(version, model=V1)
    return replace(one, **{"quality": QUALITY, "calibration": replace(one.calibration, version=version), **changed})


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Parts]:
    """`support` wants a risk of 0.15; `support-v1` had a rank and has a fit, and audits tightened its bound."""
    with control_parts(tmp_path_factory.mktemp("calibrated"), sqlite_template) as built:
        change = PolicyChange(mode=ConfidenceMode.RISK, alpha=0.15)
        built.publisher.change_route(SUPPORT, change, who="ops", reason=None, expected_etag=None)
        ranked = replace(stored("support-v1.1", model=V1, whole=RANK, labels=0), quality={"whole": None})
        built.publisher.publish_calibration([ranked], "calibration")
        fitted = made("support-v1.2")
        fitted = replace(fitted, created_us=9, evidence=replace(fitted.evidence, alpha_shift=-0.025))
        built.publisher.publish_calibration([fitted], "calibration")
        _streams(built)
        yield built


def _streams(parts: Parts) -> None:
    """Two that were let out by their start, of which one turned out doubtful, and three labels."""
    rows = [
        request_row(number)._replace(arm=V1, model=V1, calibration=version, late_confidence=late)
        for number, (version, late) in enumerate(
            [("support-v1.2", 0.99), ("support-v1.2", 0.001), ("support-v1.1", 0.001), ("support-v1.2", None)]
        )
    ]
    BatchWriter(parts.store, "w", lambda: STARTED_US).write(Batch(seq=1, entries=[(row, []) for row in rows]))
    with parts.store.writing() as connection:
        labels = [audit_label(number, model=V1) for number in range(3)]
        add_labels(connection, [*labels, audit_label(0, model=V1, metric="stars")])


@pytest.fixture(scope="module")
def admin(parts: Parts) -> Iterator[Admin]:
    with serving_admin(parts) as served:
        yield served


@pytest.fixture(scope="module")
def shown(admin: Admin) -> dict[str, Any]:
    answer = admin.http.get("/admin/v1/routes/support/calibration")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_target_is_shown_with_its_fields(shown: dict[str, Any]) -> None:
    assert (shown["route"], shown["revision"]) == ("support", 4)
    assert shown["target"] == {"mode": "risk", "score": None, "alpha": 0.15, "delta": 0.1}


def test_an_armed_arm_shows_thresholds_figures_and_the_bound_it_aims_for(shown: dict[str, Any]) -> None:
    first = shown["arms"][0]
    assert (first["arm"], first["armed"], first["alpha"]) == ("support-v1", True, 0.125)
    assert first["reason"].startswith("at most 12.5 % of all answers served and wrong, with 90 % confidence")
    assert 0 <= first["thresholds"]["whole"] < 1
    assert first["labels"] == 3
    calibration = first["calibration"]
    assert (calibration["version"], calibration["created_us"]) == ("support-v1.2", 9)
    assert (calibration["labels"], calibration["fit_labels"]) == (400, 200)
    assert calibration["quality"] == {"whole": QUALITY["whole"], "prefix": None}
    assert calibration["whole"]["kind"] == "logistic"
    assert list(calibration["whole"]["coefficients"]) == list(FEATURE_NAMES)
    assert calibration["whole"]["coefficients"]["mean_logprob"] == 1.5


def test_streams_that_turned_out_doubtful_are_counted(shown: dict[str, Any]) -> None:
    assert shown["arms"][0]["late"] == {"n": 2, "late_low_confidence": 1}


def test_the_versions_before_are_shown_newest_first(shown: dict[str, Any]) -> None:
    history = shown["arms"][0]["history"]
    assert [(one["version"], one["kind"], one["retired_us"]) for one in history] == [
        ("support-v1.2", "logistic", None),
        ("support-v1.1", "rank", 9),
    ]
    assert [one["auroc"] for one in history] == [INTERVAL, None]


def test_an_arm_without_a_calibration_says_what_is_missing(shown: dict[str, Any]) -> None:
    second = shown["arms"][1]
    assert (second["arm"], second["armed"], second["calibration"]) == ("support-v2", False, None)
    assert (second["history"], second["late"], second["labels"]) == ([], None, 0)
    assert second["reason"] == "mode risk needs 300 labels; there are 0"


@pytest.mark.parametrize(("route", "code"), [("bare", "no_fallback"), ("nowhere", "route_not_found")])
def test_a_route_that_cannot_be_calibrated_is_told(admin: Admin, route: str, code: str) -> None:
    answer = admin.http.get(f"/admin/v1/routes/{route}/calibration")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


def test_metrics_say_what_is_armed_on_how_many_labels_and_what_it_is_worth(admin: Admin, parts: Parts) -> None:
    def lines() -> list[str]:
        return admin.http.get("/metrics", headers=auth(SCRAPER)).text.splitlines()

    one, other = 'model="support-v1",route="support"', 'model="support-v2",route="support"'
    wait_until(lambda: f"gateway_calibration_labels{{{one}}} 3.0" in lines(), "the labels are counted")
    wanted = {
        f"gateway_cascade_armed{{{one}}} 1.0",
        f"gateway_cascade_armed{{{other}}} 0.0",
        f"gateway_calibration_labels{{{other}}} 0.0",
        f"gateway_calibration_auroc{{{one}}} 0.84",
        f"gateway_calibration_auroc_lower{{{one}}} 0.81",
        f"gateway_calibration_auroc_upper{{{one}}} 0.87",
        f"gateway_calibration_ece{{{one}}} 0.02",
        f"gateway_calibration_ece_lower{{{one}}} 0.01",
        f"gateway_calibration_ece_upper{{{one}}} 0.04",
    }
    assert wanted <= set(lines())
    assert not [line for line in lines() if line.startswith("gateway_calibration_auroc") and other in line]


def test_a_scrape_waits_for_no_store(parts: Parts) -> None:
    figures = Figures(parts.store, lambda: parts.observer.seen)
    wait_until(lambda: (parts.observer.seen.snapshot or parts.newest()).revision == 4, "the revision is seen")
    families = {family.name: family for family in figures.collect()}  # nothing was looked up yet
    assert families["gateway_calibration_auroc"].samples == []
    assert [sample.value for sample in families["gateway_cascade_armed"].samples] == [1.0, 0.0]
