"""What the admin API and the metrics say of versions that are due for training again."""

import msgspec
import pytest

from gateway.control.loops.retraining import Retraining
from gateway.control.parts import Parts
from gateway.snapshot.retrain_entry import RetrainEntry, WebhookEntry
from gateway.store import labels, versions
from gateway.webhooks.sender import Sender
from serving.webhook_answer import Answer
from tests.fakes.control import SCRAPER, Admin, auth, wait_until
from tests.fakes.documents import SUPPORT
from tests.fakes.records import audit_label
from tests.fakes.webhooks import SECRET


def metric(admin: Admin, reason: str, route: str = "support") -> float | None:
    page = admin.http.get("/metrics", headers=auth(SCRAPER)).text
    name = f'gateway_retraining_due{{reason="{reason}",route="{route}"}} '
    return next((float(line.split()[-1]) for line in page.splitlines() if line.startswith(name)), None)


def test_a_route_of_which_nothing_is_due_says_so(untouched_admin: Admin) -> None:
    found = untouched_admin.http.get("/admin/v1/routes/support/retraining").json()
    assert found["settings"] == {
        "every_days": 90,
        "min_new_examples": 500,
        "lasting_minutes": 60,
        "webhook_host": None,
    }
    assert [(one["reason"], one["due"]) for one in found["reasons"]] == [
        ("drift", False),
        ("quality", False),
        ("cadence", False),
    ]
    assert (found["due"], found["deliveries"]) == ([], [])
    assert {metric(untouched_admin, reason) for reason in ("drift", "quality", "cadence")} == {0.0}


def test_a_route_that_is_not_there_is_404(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.get("/admin/v1/routes/nothing/retraining")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route_not_found")


@pytest.fixture
def due(parts: Parts) -> Parts:
    """The route is old, and its receiver answers 503."""
    file = parts.file_in_force()
    assert file is not None
    webhook = WebhookEntry(url="https://hooks.example.com/hook?token=planted-token", secret="${HOOK_SECRET}")
    entry = msgspec.structs.replace(file.routes[SUPPORT], retrain=RetrainEntry(webhook=webhook))
    parts.publisher.publish_file(msgspec.structs.replace(file, routes={**file.routes, SUPPORT: entry}), "file")
    rows = [audit_label(number, model="support-v1", made_us=parts.clock() - number) for number in range(1, 501)]
    with parts.store.writing() as connection:
        versions.put(connection, "support-v1", {"created": "2026-01-01"}, parts.clock())
        labels.add_labels(connection, rows)
    Retraining(parts.store, parts.clock).run()
    refused = Answer(status=503, error="the receiver answers 503")
    Sender(parts.store, {"HOOK_SECRET": SECRET}, parts.clock, lambda url, body, headers: refused).run()
    return parts


def test_what_is_due_is_shown_with_what_became_of_its_message(due: Parts, admin: Admin) -> None:
    answer = admin.http.get("/admin/v1/routes/support/retraining")
    found = answer.json()
    assert [one["model"] for one in found["newest"]] == ["support-v1"]
    assert found["train_on"]["requests"] == 500
    assert [one["reason"] for one in found["reasons"] if one["due"]] == ["cadence"]
    [reason] = found["due"]
    assert reason["sentence"].startswith("support-v1 is due for training again: it was trained ")
    [delivery] = found["deliveries"]
    assert (delivery["state"], delivery["attempts"], delivery["status"]) == ("waiting", 1, 503)
    assert delivery["error"] == "the receiver answers 503"
    assert delivery["next_us"] > delivery["made_us"]
    assert found["settings"]["webhook_host"] == "hooks.example.com"
    assert "planted" not in answer.text


def test_what_is_due_is_a_metric(due: Parts, admin: Admin) -> None:
    wait_until(lambda: metric(admin, "cadence") == 1.0, "the metric says it")
    assert (metric(admin, "drift"), metric(admin, "cadence", "bare")) == (0.0, 0.0)


def test_settings_of_retraining_are_no_part_of_a_routes_tag(due: Parts, admin: Admin) -> None:
    before = admin.etag()
    file = due.file_in_force()
    assert file is not None
    entry = msgspec.structs.replace(file.routes[SUPPORT], retrain=RetrainEntry(every_days=7))
    due.publisher.publish_file(msgspec.structs.replace(file, routes={**file.routes, SUPPORT: entry}), "file")
    assert admin.etag() == before
