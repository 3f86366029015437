"""What operators see of a route's labels, and of feedback that was refused."""

from gateway.clock import now_us
from gateway.control.loops.labels import LabelJoin
from gateway.control.parts import Parts
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import RequestRow
from tests.fakes.control import Admin
from tests.fakes.records import audit_label, audit_outcome, feedback_row, request_id, served_row

PATH = "/admin/v1/routes/support/labels"
V1 = "support-v1"


def test_a_route_shows_agreement_and_success_by_arm_and_what_was_refused(admin: Admin, parts: Parts) -> None:
    at_us = now_us()

    def row(number: int, arm: str = V1, **changed: object) -> RequestRow:
        fields = {"request_id": request_id(number, at_us), "arm": arm, "model": arm, "started_us": at_us, **changed}
        return served_row(number)._replace(**fields)  # type: ignore[arg-type]

    def said(number: int, about: int, **changed: object) -> object:
        return feedback_row(number, request_id=request_id(about, at_us), received_us=at_us + number, **changed)

    rows = [row(1), row(2), row(3, "support-v2"), row(4, key_name="another"), row(5, route="bare", key_name="another")]
    label = audit_label(1, request_id=request_id(1, at_us), model=V1, value=0.0)
    entries = [
        *((one, []) for one in rows),
        *(said(number, number, value=value) for number, value in ((1, "true"), (4, "true"), (5, "true"))),
        feedback_row(6, request_id=None, answer_id="gone", received_us=at_us - 25 * 3600 * 1_000_000),
    ]
    BatchWriter(parts.store, "w", now_us).write(Batch(seq=1, entries=entries))  # type: ignore[arg-type]
    audit = audit_outcome(1)
    audit = type(audit)(request_id=label.request_id, attempts=[], label=label)
    BatchWriter(parts.store, "w", now_us).write(Batch(seq=2, entries=[audit]))
    LabelJoin(parts.store, lambda state, count: None).run()

    body = admin.http.get(PATH).json()
    assert (body["route"], body["arms"]) == (
        "support",
        [
            {
                "arm": V1,
                "requests": 3,
                "audit_agreement": {"mean": 0.0, "n": 1, "undefined": 0},
                "feedback_success": {"mean": 1.0, "n": 1, "coverage": 1 / 3},
            },
            {
                "arm": "support-v2",
                "requests": 1,
                "audit_agreement": {"mean": None, "n": 0, "undefined": 0},
                "feedback_success": {"mean": None, "n": 0, "coverage": 0.0},
            },
        ],
    )
    assert [(one["detail"], one["key_name"]) for one in body["refused"]] == [
        ("belongs to another key", "app"),
        ("no such request within 24 h", "app"),
    ]
    assert "value" not in body["refused"][0]
    assert (body["refused"][0]["request_id"], body["refused"][1]["answer_id"]) == (request_id(4, at_us), "gone")


def test_units_of_the_last_day_are_counted_once_whatever_arm_they_had(admin: Admin, parts: Parts) -> None:
    at_us = now_us()
    day_us = 86_400 * 1_000_000
    sent = [("a", V1, at_us), ("a", V1, at_us), ("a", "support-v2", at_us), ("b", V1, at_us), ("c", V1, at_us - day_us)]
    rows = [
        served_row(number)._replace(
            request_id=request_id(number, begun_us), started_us=begun_us, arm=arm, model=arm, unit_hash=unit
        )
        for number, (unit, arm, begun_us) in enumerate(sent)
    ]
    rows.append(rows[0]._replace(request_id=request_id(9, at_us), unit_hash="tester", is_forced=True))
    rows.append(rows[0]._replace(request_id=request_id(10, at_us), unit_hash="elsewhere", route="bare"))
    BatchWriter(parts.store, "w", now_us).write(Batch(seq=1, entries=[(row, []) for row in rows]))
    assert admin.http.get(PATH, params={"days": 7}).json()["units_last_day"] == 2


def test_only_the_days_that_were_asked_for_count(admin: Admin, parts: Parts) -> None:
    at_us = now_us() - 2 * 86_400 * 1_000_000
    row = served_row(1, started_us=at_us)._replace(arm=V1, model=V1)
    BatchWriter(parts.store, "w", now_us).write(Batch(seq=1, entries=[(row, [])]))
    assert admin.http.get(PATH, params={"days": 1}).json()["arms"] == []
    assert [arm["requests"] for arm in admin.http.get(PATH, params={"days": 3}).json()["arms"]] == [1]


def test_days_are_bounded_and_a_route_has_to_be_there(untouched_admin: Admin) -> None:
    for days in ("0", "91", "x"):
        answer = untouched_admin.http.get(PATH, params={"days": days})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "days")
    answer = untouched_admin.http.get("/admin/v1/routes/nothing/labels")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route_not_found")
