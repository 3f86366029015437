"""`fallgate plan`: what it prints, alone and with a running gateway."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.clock import now_us
from gateway.control.parts import Parts
from gateway.records.batches import Batch, BatchWriter
from tests.fakes.control import OPS, Admin
from tests.fakes.records import request_id, served_row

KEYS = {
    *("units", "units_per_arm", "half_by_units", "one_look_units", "labels", "label_units"),
    *("units_per_day", "audit_share", "days", "label_days"),
}


def run(*arguments: str, url: str = "", key: str | None = None) -> Result:
    words = ["plan", *arguments]
    environ = {"FALLGATE_ADMIN_URL": url, "FALLGATE_ADMIN_KEY": key, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(words), words, env=environ)


def found(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    decoded = json.loads(result.stdout)
    assert isinstance(decoded, dict)
    return decoded


def test_units_for_an_effect() -> None:
    told = found("--baseline", "0.9", "--effect", "0.02")
    assert set(told) == KEYS
    assert told["one_look_units"] == pytest.approx(2 * 3211, abs=2)
    assert told["one_look_units"] < told["half_by_units"] < told["units"] < 2 * told["one_look_units"]
    assert sum(told["units_per_arm"].values()) == told["units"] == told["labels"]
    assert [told[name] for name in ("label_units", "units_per_day", "audit_share", "days", "label_days")] == [None] * 5


def test_days_at_a_traffic_and_an_audit_share() -> None:
    told = found("--baseline", "0.9", "--effect", "0.02", "--units-per-day", "1000", "--audit-share", "0.02")
    assert told["days"] == pytest.approx(told["units"] / 1000, abs=0.01)
    assert told["label_units"] == pytest.approx(told["units"] * 50, abs=50)
    assert told["label_days"] == pytest.approx(told["days"] * 50, abs=0.5)


def test_a_margin_is_a_question_in_one_direction() -> None:
    margin, effect = found("--baseline", "0.9", "--margin", "0.02"), found("--baseline", "0.9", "--effect", "0.02")
    assert margin["units"] < effect["units"] * 1.15
    helped = found("--baseline", "0.9", "--margin", "0.02", "--effect", "0.01")
    assert helped["units"] < margin["units"] / 2


def test_a_metric_that_is_no_share_needs_its_standard_deviation() -> None:
    told = found("--baseline", "850", "--effect", "-50", "--sd", "400")
    assert told["one_look_units"] == pytest.approx(4 * 400**2 / 50**2 * 7.849, rel=1e-3)


def test_no_plan_has_an_arm_with_under_100_units() -> None:
    told = found("--baseline", "0.5", "--effect", "0.4", "--share", "0.1")
    assert told["units_per_arm"] == {"baseline": 900, "arm": 100}


def test_a_small_share_takes_longer() -> None:
    even, uneven = (found("--baseline", "0.9", "--effect", "0.02", "--share", share) for share in ("0.5", "0.05"))
    assert uneven["units"] > 4 * even["units"]
    assert uneven["units_per_arm"]["arm"] == pytest.approx(uneven["units"] * 0.05, abs=1)


def test_the_table_shows_the_same() -> None:
    lines = run("--baseline", "0.9", "--effect", "0.02", "--units-per-day", "1000").stdout.splitlines()
    assert lines[0].startswith("units        12,295: ")
    assert lines[4].strip() == "traffic      1,000 new units a day"
    assert lines[5].strip() == "days         12.3 for a metric that every unit has"
    assert lines[6].strip() == "label days   -"
    assert "unknown; give --units-per-day" in run("--baseline", "0.9", "--effect", "0.02").stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--effect", "0.02"),
        ("--baseline", "0.9"),
        ("--baseline", "0.9", "--effect", "0"),
        ("--baseline", "0.9", "--effect", "0.1"),
        ("--baseline", "850", "--effect", "50"),
        ("--baseline", "0.9", "--margin", "-0.02"),
        ("--baseline", "0.9", "--margin", "0.02", "--effect", "-0.03"),
        ("--baseline", "0.9", "--effect", "0.02", "--alpha", "0.5"),
        ("--baseline", "0.9", "--effect", "0.02", "--power", "1"),
        ("--baseline", "0.9", "--effect", "0.02", "--share", "0"),
        ("--baseline", "9", "--effect", "2", "--sd", "-1"),
        ("--baseline", "9", "--effect", "inf", "--sd", "1"),
        ("--baseline", "0.9", "--effect", "0.02", "--units-per-day", "0"),
        ("--baseline", "0.9", "--effect", "0.02", "--audit-share", "1.5"),
    ],
    ids=" ".join,
)
def test_a_plan_that_was_not_asked_for_well_exits_2(options: Sequence[str]) -> None:
    assert run(*options).exit_code == 2


def test_a_route_without_a_key_is_a_sentence_and_exit_1() -> None:
    result = run("--baseline", "0.9", "--effect", "0.02", "--route", "support")
    assert result.exit_code == 1
    assert "FALLGATE_ADMIN_KEY is not set" in result.stderr


def test_a_route_brings_its_units_of_the_last_day_and_its_audit_share(admin: Admin, parts: Parts) -> None:
    at_us = now_us()
    rows = [
        served_row(number)._replace(
            request_id=request_id(number, at_us),
            started_us=at_us,
            unit_hash=f"unit-{number % 5}",
            is_forced=number == 7,
        )
        for number in range(8)
    ]
    BatchWriter(parts.store, "w", now_us).write(Batch(seq=1, entries=[(row, []) for row in rows]))
    words = ("--baseline", "0.9", "--effect", "0.02", "--route", "support")
    told = json.loads(run(*words, "--json", url=admin.url, key=OPS).stdout)
    audit = admin.route().json()["audit"]
    assert (told["units_per_day"], told["audit_share"]) == (5, audit["share"] if audit else None)
    assert told["days"] == pytest.approx(told["units"] / 5)
    plain = run(*words, url=admin.url, key=OPS)
    assert "5 new units a day" in plain.stdout
    assert "if no day brings the same ones" in plain.stdout
    told = json.loads(
        run(*words, "--units-per-day", "4", "--audit-share", "0.5", "--json", url=admin.url, key=OPS).stdout
    )
    assert (told["units_per_day"], told["audit_share"]) == (4, 0.5)


def test_a_route_without_traffic_says_nothing_of_days(untouched_admin: Admin) -> None:
    words = ("--baseline", "0.9", "--effect", "0.02", "--route", "support", "--json")
    told = json.loads(run(*words, url=untouched_admin.url, key=OPS).stdout)
    assert (told["units_per_day"], told["days"]) == (None, None)


def test_a_route_that_is_not_there_is_a_sentence_and_exit_1(untouched_admin: Admin) -> None:
    result = run("--baseline", "0.9", "--effect", "0.02", "--route", "nothing", url=untouched_admin.url, key=OPS)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing" in result.stderr
