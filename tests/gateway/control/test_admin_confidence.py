"""Confidence, audits and calibrations over the admin API: how they show, and how they are changed."""

from typing import Any

import httpx
import msgspec
import pytest

from gateway.control.parts import Parts
from gateway.snapshot.document import AuditEntry, ComparerEntry
from gateway.snapshot.publish import Publisher
from routing.audit.compare import ComparerKind
from routing.words import ModelName
from tests.fakes.calibrations import stored
from tests.fakes.control import Admin
from tests.fakes.documents import SUPPORT

V1 = ModelName("support-v1")
COMPARERS: list[tuple[ComparerEntry, object]] = [
    (ComparerEntry(kind=ComparerKind.EXACT), "exact"),
    (ComparerEntry(kind=ComparerKind.JSON), "json"),
    (ComparerEntry(kind=ComparerKind.JSON, fields=("a.b", "c")), {"fields": ["a.b", "c"]}),
    (ComparerEntry(kind=ComparerKind.NUMBER, tolerance=0.01), {"tolerance": 0.01}),
    (ComparerEntry(kind=ComparerKind.JUDGE, judge=ModelName("large")), {"judge": "large"}),
]


def error(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


def publish_audits(parts: Parts, compare: ComparerEntry) -> None:
    """Let the file have audits of `support` from now on."""
    file = parts.file_in_force()
    assert file is not None
    audit = AuditEntry(share=0.02, min_labels=300, spend_nanousd_per_day=1_500_000_000, compare=compare)
    audited = msgspec.structs.replace(file.routes[SUPPORT], audit=audit)
    file = msgspec.structs.replace(file, routes={**file.routes, SUPPORT: audited})
    published = Publisher(parts.store).publish_file(file, "file")
    assert published is not None
    parts.observer.learn(published)


def patch(admin: Admin, **body: Any) -> dict[str, Any]:
    answer = admin.act("PATCH", "", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"mode": "none"}, {"mode": "none"}),
        ({"mode": "observe"}, {"mode": "observe", "score": None}),
        (
            {"mode": "threshold", "score": "min_logprob", "min": 1},
            {"mode": "threshold", "score": "min_logprob", "min": 1},
        ),
        ({"mode": "budget", "share": 0.2}, {"mode": "budget", "score": None, "share": 0.2}),
        ({"mode": "risk", "alpha": 0.05}, {"mode": "risk", "score": None, "alpha": 0.05, "delta": 0.1}),
        (
            {"mode": "selective_risk", "alpha": 0.05, "delta": 0.2, "score": "first_token"},
            {"mode": "selective_risk", "score": "first_token", "alpha": 0.05, "delta": 0.2},
        ),
        ({"mode": "utility", "value_usd": 0.35}, {"mode": "utility", "score": None, "value_usd": 0.35}),
        ({"frozen": True}, {"mode": "observe", "score": None, "frozen": True}),
        ({"mode": "none", "frozen": False}, {"mode": "none"}),
    ],
)
def test_a_mode_shows_with_its_own_fields(admin: Admin, sent: dict[str, object], shown: dict[str, object]) -> None:
    assert patch(admin, confidence=sent)["fallback"]["confidence"] == shown
    fields = {f"fallback.confidence.{name}" for name in sent}
    assert {changed["field"] for changed in admin.route().json()["overlay"]} == fields


@pytest.mark.parametrize(
    ("sent", "param", "message"),
    [
        ({"mode": "risk"}, "confidence", "mode risk needs alpha (above 0 and below 1)"),
        ({"mode": "budget"}, "confidence", "mode budget needs share"),
        ({"mode": "utility"}, "confidence", "mode utility needs value_usd"),
        ({"alpha": 0.1}, "confidence.alpha", "does not belong to mode observe, which has score, frozen"),
        ({"mode": "risk", "alpha": 0.1, "share": 0.1}, "confidence.share", "does not belong to mode risk"),
        ({"mode": "none", "score": "first_token"}, "confidence.score", "does not belong to mode none"),
        ({"mode": "budget", "share": 0}, "confidence.share", "must be a number above 0 and below 1"),
        ({"mode": "budget", "share": 1}, "confidence.share", "must be a number above 0 and below 1"),
        ({"mode": "budget", "share": True}, "confidence.share", "must be a number"),
        ({"mode": "risk", "alpha": "0.1"}, "confidence.alpha", "must be a number"),
        ({"mode": "risk", "alpha": 0.1, "delta": 1.5}, "confidence.delta", "must be a number above 0 and below 1"),
        ({"mode": "utility", "value_usd": 0}, "confidence.value_usd", "must be dollars, above 0 and at most 1000000"),
        ({"mode": "utility", "value_usd": 2e6}, "confidence.value_usd", "must be dollars"),
        ({"mode": "utility", "value_usd": 1e-10}, "confidence.value_usd", "more than nine decimals"),
        ({"frozen": 1}, "confidence.frozen", "must be a valid boolean"),
        (
            {"treshold": 0.1},
            "confidence.treshold",
            "is not known here; there are alpha, delta, frozen, min, mode, score, share, value_usd",
        ),
    ],
)
def test_a_wrong_confidence_is_refused_by_the_name_of_its_field(
    untouched_admin: Admin, sent: dict[str, object], param: str, message: str
) -> None:
    answer = untouched_admin.act("PATCH", "", {"confidence": sent})
    assert answer.status_code == 400
    assert (error(answer)["param"], error(answer)["code"]) == (param, "invalid_value")
    assert message in error(answer)["message"]


def test_a_confidence_is_changed_on_the_state_that_was_read(admin: Admin) -> None:
    seen = admin.etag()
    patch(admin, confidence={"mode": "budget", "share": 0.2})
    answer = admin.http.patch(
        "/admin/v1/routes/support", headers={"if-match": seen}, json={"confidence": {"mode": "risk", "alpha": 0.1}}
    )
    assert answer.status_code == 412
    without = admin.http.patch("/admin/v1/routes/support", json={"confidence": {"share": 0.3}})
    assert without.status_code == 428
    assert patch(admin, confidence={"share": 0.3})["fallback"]["confidence"]["share"] == 0.3


def test_a_calibration_shows_by_arm_and_changes_no_tag(admin: Admin, parts: Parts) -> None:
    tag = patch(admin, confidence={"mode": "risk", "alpha": 0.1})["etag"]
    before = admin.route().json()
    assert before["calibration"]["support-v1"]["version"] is None
    assert before["warnings"] == [
        f"the confidence of {arm} is not acted on: mode risk needs 300 labels; there are 0"
        for arm in ("support-v1", "support-v2")
    ]

    published = parts.publisher.publish_calibration([stored("support-v1.1", model=V1)], "calibration")
    assert published is not None
    parts.observer.learn(published)

    body = admin.route().json()
    assert body["etag"] == tag
    shown = body["calibration"]["support-v1"]
    assert shown.pop("reason").startswith("at most 10 % of all answers served and wrong")
    assert shown == {
        "version": "support-v1.1",
        "kind": "logistic",
        "labels": 400,
        "armed": True,
        "thresholds": {"whole": pytest.approx(0.03), "prefix": 0.0},
        "created_us": 5,
        "quality": {"auroc": {"value": 0.84, "low": 0.8, "high": 0.88}},
    }
    assert body["calibration"]["support-v2"] == {
        "version": None,
        "kind": None,
        "labels": 0,
        "armed": False,
        "reason": "mode risk needs 300 labels; there are 0",
        "thresholds": {"whole": None, "prefix": None},
        "created_us": None,
        "quality": None,
    }
    assert len(body["warnings"]) == 1


def test_a_route_without_fallback_has_neither_calibration_nor_audits(untouched_admin: Admin) -> None:
    bare = untouched_admin.http.get("/admin/v1/routes/bare").json()
    assert (bare["calibration"], bare["audit"]) == ({}, None)
    answer = untouched_admin.http.patch(
        "/admin/v1/routes/bare",
        headers={"if-match": untouched_admin.etag("bare")},
        json={"confidence": {"mode": "observe"}},
    )
    assert error(answer)["code"] == "no_fallback"


@pytest.mark.parametrize(("compare", "shown"), COMPARERS, ids=[str(shown) for _, shown in COMPARERS])
def test_audits_show_as_the_file_has_them(admin: Admin, parts: Parts, compare: ComparerEntry, shown: object) -> None:
    publish_audits(parts, compare)
    assert admin.route().json()["audit"] == {
        "share": 0.02,
        "min_labels": 300,
        "spend_usd_per_day": 1.5,
        "compare": shown,
    }


def test_audits_can_be_changed_and_switched_off(admin: Admin, parts: Parts) -> None:
    publish_audits(parts, COMPARERS[0][0])
    tag = admin.etag()
    more = patch(admin, audit={"share": 0.5}, reason="a new version")
    assert more["audit"]["share"] == 0.5
    assert more["etag"] != tag

    off = patch(admin, audit={"share": 0})
    assert off["audit"] is None
    assert off["warnings"] == ["audits are switched off"]
    assert [(changed["field"], changed["value"]) for changed in off["overlay"]] == [("audit.share", 0.0)]
    assert admin.act("DELETE", "/overlay").json()["audit"]["share"] == 0.02


@pytest.mark.parametrize(
    ("sent", "param", "code"),
    [
        ({"share": 0.1}, "audit", "no_audit"),
        ({"share": 1.5}, "audit.share", "invalid_value"),
        ({"share": None}, "audit.share", "invalid_value"),
        ({}, "audit.share", "invalid_value"),
        ({"share": 0.1, "spend_usd_per_day": 5}, "audit.spend_usd_per_day", "invalid_value"),
    ],
)
def test_a_wrong_audit_is_refused(untouched_admin: Admin, sent: dict[str, object], param: str, code: str) -> None:
    answer = untouched_admin.act("PATCH", "", {"audit": sent})
    assert answer.status_code == 400
    assert (error(answer)["param"], error(answer)["code"]) == (param, code)
