"""Targets and shadows over the admin API: how they show, how shadows are turned down and off, and what they brought."""

from typing import Any

import msgspec
import pytest

from gateway.clock import now_us
from gateway.control.parts import Parts
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry, ShadowOutcome, ShadowRow
from gateway.snapshot.document import ComparerEntry, ShadowEntry
from gateway.snapshot.file import FileRoute
from gateway.snapshot.publish import Publisher
from gateway.store.spend import Ask, take
from routing.assignment.targeting import Condition, Target, TargetPlace
from routing.audit.compare import ComparerKind
from routing.audit.sample import day_of
from routing.words import ModelName, Purpose, Result
from tests.fakes.control import Admin
from tests.fakes.documents import SUPPORT
from tests.fakes.records import attempt_rows, request_id, served_row

PATH = "/admin/v1/routes/support/shadow"
SHADOW = ShadowEntry(
    to=ModelName("large"),
    share=0.05,
    max_in_flight=2,
    spend_nanousd_per_day=1_500_000_000,
    compare=ComparerEntry(kind=ComparerKind.JSON, fields=("a.b",)),
)
SHOWN = {
    "to": "large",
    "share": 0.05,
    "max_in_flight": 2,
    "spend_usd_per_day": 1.5,
    "compare": {"fields": ["a.b"]},
}


def publish(parts: Parts, **changes: Any) -> None:
    """Let the file say something else of `support` from now on."""
    file = parts.file_in_force()
    assert file is not None
    changed: FileRoute = msgspec.structs.replace(file.routes[SUPPORT], **changes)
    published = Publisher(parts.store).publish_file(
        msgspec.structs.replace(file, routes={**file.routes, SUPPORT: changed}), "file"
    )
    assert published is not None
    parts.observer.learn(published)


def record(parts: Parts, number: int, *, agrees: bool, at_us: int, unit: str, difference_us: int = 50_000) -> None:
    rid = request_id(number, at_us)
    request = served_row(number)._replace(request_id=rid, arm="support-v1", unit_hash=unit, started_us=at_us)
    first = attempt_rows(number, started_us=at_us)[0]._replace(
        result=Result.COMPLETED, duration_us=100_000, cost_nanousd=1_000_000, output_tokens=10
    )
    other = first._replace(
        number=2,
        model="large",
        purpose=Purpose.SHADOW,
        duration_us=100_000 + difference_us,
        cost_nanousd=3_000_000,
        output_tokens=20,
    )
    row = ShadowRow(rid, "support", "support-v1", "large", 2, 1.0, agrees, at_us)
    entries: list[Entry] = [(request, [first]), ShadowOutcome(request_id=rid, attempts=[other], row=row)]
    BatchWriter(parts.store, "w", now_us).write(Batch(seq=number, entries=entries))


def test_a_shadow_shows_is_turned_down_and_off_and_on_again(admin: Admin, parts: Parts) -> None:
    assert (admin.route().json()["shadow"], admin.route().json()["targets"]) == (None, [])
    publish(parts, shadow=SHADOW)
    assert admin.route().json()["shadow"] == SHOWN
    etag = admin.etag()

    less = admin.act("PATCH", "", {"shadow": {"share": 0.01}, "reason": "it is busy"}).json()
    assert less["shadow"] == {**SHOWN, "share": 0.01}
    assert less["etag"] != etag
    off = admin.act("PATCH", "", {"shadow": {"share": 0}}).json()
    assert (off["shadow"], off["warnings"]) == (None, ["shadows are switched off"])
    assert [(changed["field"], changed["value"]) for changed in off["overlay"]] == [("shadow.share", 0.0)]
    assert admin.act("DELETE", "/overlay").json()["shadow"] == SHOWN


def test_a_shadow_needs_no_fallback(admin: Admin, parts: Parts) -> None:
    publish(parts, fallback=None, shadow=SHADOW)
    assert admin.act("PATCH", "", {"shadow": {"share": 1}}).json()["shadow"]["share"] == 1.0
    assert [changed["field"] for changed in admin.route().json()["overlay"]] == ["shadow.share"]


def test_targets_show_and_are_part_of_the_tag(admin: Admin, parts: Parts) -> None:
    etag = admin.etag()
    conditions = (
        Condition(place=TargetPlace.HEADER, name="x-tier", values=("gold", "silver")),
        Condition(place=TargetPlace.KEY, values=("app",)),
        Condition(place=TargetPlace.BODY, name="temperature", values=(0, True)),
    )
    publish(parts, targets=(Target(when=conditions, arm=ModelName("support-v2")),))
    assert admin.route().json()["targets"] == [
        {
            "when": {"header:x-tier": ["gold", "silver"], "key": ["app"], "body:temperature": [0, True]},
            "arm": "support-v2",
        }
    ]
    assert admin.etag() != etag


def test_what_shadows_brought_is_shown_by_arm_with_differences_and_agreement(admin: Admin, parts: Parts) -> None:
    publish(parts, shadow=SHADOW)
    at_us = now_us()
    for number in range(1, 3):
        record(parts, number, agrees=number == 1, at_us=at_us, unit=f"u{number}")
    record(parts, 9, agrees=True, at_us=at_us - 8 * 86_400 * 1_000_000, unit="u9")
    ask = Ask(route="support", purpose=Purpose.SHADOW, day=day_of(now_us()), cap=10**9, committed=0, wanted=250_000_000)
    take(parts.store, "w", ask)

    body = admin.http.get(PATH).json()
    assert (body["route"], body["shadow"], body["spent_today_usd"]) == ("support", SHOWN, 0.25)
    (pair,) = body["pairs"]
    assert (pair["arm"], pair["model"], pair["asked"], pair["failed"]) == ("support-v1", "large", 2, 0)
    assert pair["agreement"] == {"n": 2, "mean": 0.5, "lower": None, "upper": None, "units": 2}
    difference = pair["differences"]["latency_ms"]
    assert (difference["n"], difference["arm"], difference["shadow"]) == (2, 100.0, 150.0)
    assert difference["difference"] == {"mean": 50.0, "lower": None, "upper": None, "units": 2}
    cost = pair["differences"]["cost_usd"]
    assert (cost["arm"], cost["shadow"], cost["difference"]["mean"]) == pytest.approx((0.001, 0.003, 0.002))
    assert pair["differences"]["output_tokens"]["difference"]["mean"] == 10.0
    assert admin.http.get(f"{PATH}?days=9").json()["pairs"][0]["asked"] == 3


def test_with_units_enough_there_are_intervals(admin: Admin, parts: Parts) -> None:
    at_us = now_us()
    for number in range(1, 121):
        record(
            parts, number, agrees=number % 4 > 0, at_us=at_us, unit=f"u{number}", difference_us=1000 * (number % 3 - 1)
        )
    (pair,) = admin.http.get(PATH).json()["pairs"]
    agreement, took = pair["agreement"], pair["differences"]["latency_ms"]["difference"]
    assert agreement["mean"] == 0.75
    assert 0.5 < agreement["lower"] < 0.75 < agreement["upper"] < 1.0
    assert took["mean"] == pytest.approx(0.0)
    assert -0.5 < took["lower"] < 0 < took["upper"] < 0.5


def test_a_route_that_is_not_shadowed_has_nothing_to_show(untouched_admin: Admin) -> None:
    body = untouched_admin.http.get("/admin/v1/routes/bare/shadow").json()
    assert (body["shadow"], body["pairs"], body["spent_today_usd"]) == (None, [], 0.0)


def test_an_unknown_route_and_days_beyond_reason_are_refused(untouched_admin: Admin) -> None:
    answer = untouched_admin.http.get("/admin/v1/routes/nobody/shadow")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route_not_found")
    answer = untouched_admin.http.get(f"{PATH}?days=91")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "days")
