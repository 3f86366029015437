"""`fallgate cost`, against a real admin API and store: the customer-service case, and what it says when it cannot."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import build
from gateway.clock import now_us
from gateway.control.loops.ledger import Ledger
from gateway.control.parts import Parts
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry, ShadowOutcome, ShadowRow
from gateway.store import ledger, versions
from routing.cost.idle import HOUR_US
from routing.cost.ledger import Line
from routing.words import ModelName, Purpose
from routing.words import Result as Ended
from tests.fakes.control import OPS, Admin, control_parts
from tests.fakes.records import attempt_rows, request_id, served_row

ARM = ModelName("support-v1")
DAY_REQUESTS = 5_000
SMALL, LARGE = 4_000_000, 35_000_000
"""Nano-dollars a request."""


def run(admin: Admin, *arguments: str) -> Result:
    environ = {"FALLGATE_ADMIN_URL": admin.url, "FALLGATE_ADMIN_KEY": OPS, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(build(["cost"]), ["cost", *arguments], env=environ)


def found(admin: Admin, *arguments: str) -> dict[str, Any]:
    result = run(admin, "support", "--json", *arguments)
    assert result.exit_code == 0
    body: dict[str, Any] = json.loads(result.stdout)
    return body


def entries(number: int, at_us: int, *, is_shadowed: bool) -> list[Entry]:
    """One request that the arm answered, and one in fifty that the large model answered too."""
    rid = request_id(number, at_us)
    row = served_row(number, started_us=at_us)._replace(request_id=rid, arm=ARM, model=ARM, cost_nanousd=SMALL)
    own = attempt_rows(number, started_us=at_us)[0]._replace(
        model=ARM, purpose=Purpose.SERVE, result=Ended.COMPLETED, cost_nanousd=SMALL, usage_estimated=False
    )
    if not is_shadowed:
        return [(row, [own])]
    other = own._replace(number=2, model="large", purpose=Purpose.SHADOW, cost_nanousd=LARGE, output_tokens=48)
    shadow = ShadowRow(rid, "support", ARM, "large", 2, 0.02, True, at_us)
    return [(row, [own]), ShadowOutcome(request_id=rid, attempts=[other], row=shadow)]


def record_a_day(parts: Parts, hour_us: int, *, shadowed_every: int = 50) -> None:
    """The last of thirty days, as records."""
    writer = BatchWriter(parts.store, "w", now_us)
    for hour in range(24):
        of_hour: list[Entry] = []
        first, after = DAY_REQUESTS * hour // 24, DAY_REQUESTS * (hour + 1) // 24
        for number in range(first, after):
            is_shadowed = shadowed_every > 0 and number % shadowed_every == 0
            of_hour += entries(number, hour_us - hour * HOUR_US, is_shadowed=is_shadowed)
        writer.write(Batch(seq=hour + 1, entries=of_hour))
    loop = Ledger(parts.store, lambda route, nanousd: None)
    while loop.run():
        pass


def add_days_before(parts: Parts, hour_us: int) -> None:
    """The twenty-nine days before it, as lines."""
    with parts.store.writing() as connection:
        for hour in range(24, 30 * 24):
            number = hour % 24
            count = DAY_REQUESTS * (number + 1) // 24 - DAY_REQUESTS * number // 24
            line = Line(
                hour_us=hour_us - hour * HOUR_US,
                route="support",
                model=ARM,
                purpose=Purpose.SERVE.value,
                requests=count,
                attempts=count,
                cost_nanousd=count * SMALL,
            )
            ledger.add(connection, [line])


@pytest.fixture
def parts(tmp_path: Path, sqlite_template: Path) -> Iterator[Parts]:
    """A control plane whose clock stands, so that no hour begins within a test."""
    with control_parts(tmp_path, sqlite_template) as built:
        at_us = now_us()
        yield replace(built, clock=lambda: at_us)


@pytest.fixture
def month(parts: Parts) -> Parts:
    """Thirty days of 5,000 requests, at $0.004 instead of $0.035, after a training of $45."""
    hour_us = parts.clock() // HOUR_US * HOUR_US
    record_a_day(parts, hour_us)
    add_days_before(parts, hour_us)
    versions.record(parts.store, ARM, {"version": "v1", "training": {"cost_usd": 45}})
    return parts


def test_a_month_of_customer_service_costs_600_instead_of_5250_dollars(month: Parts, admin: Admin) -> None:
    body = found(admin)
    assert (body["ok"], body["requests"], body["hours"]) == (True, 150_000, 720)
    assert (body["paid"]["a_month_usd"], body["paid"]["a_request_usd"]) == (600.0, 0.004)
    assert (body["large"]["a_month_usd"], body["large"]["a_request_usd"]) == (5_250.0, 0.035)
    assert body["large"]["pairs"] == 100
    assert body["large"]["output_ratio"] == 3.0
    saved = body["savings"]
    assert saved["saved_usd"] == {"value": 4_650.0, "lower": 4_650.0, "upper": 4_650.0}
    assert round(saved["share"], 2) == 0.89
    assert saved["net_usd"]["value"] == pytest.approx(4_650.0 - 100 * 0.035)
    assert body["training"]["earned_back_days"] == pytest.approx(45 / 155)
    assert body["fallback"]["break_even_share"] == pytest.approx(1 - 4 / 35)
    assert body["hardware"]["break_even_requests_a_day"] == 823


def test_it_says_so_to_a_stranger(month: Parts, admin: Admin) -> None:
    told = run(admin, "support").stdout
    assert "support: 150,000 requests in 30 days" in told
    assert "$0.0040 a request, $600.00 a month" in told
    assert "large alone         $5,250.00" in told
    assert "$0.0350 a request, $5,250.00 a month, from 100 pairs" in told
    assert "$4,650.00 a month, 89% of it" in told
    assert "$45.00, earned back in under a day" in told
    assert "pays off from 823 requests a day" in told


def test_fewer_days_are_asked_for(month: Parts, admin: Admin) -> None:
    body = found(admin, "--days", "1")
    assert (body["requests"], body["hours"]) == (5_000, 24)
    assert body["large"]["a_month_usd"] == 5_250.0


def test_without_pairs_it_is_unknown_and_says_what_to_do(parts: Parts, admin: Admin) -> None:
    record_a_day(parts, parts.clock() // HOUR_US * HOUR_US, shadowed_every=0)
    body = found(admin)
    assert (body["savings"]["known"], body["savings"]["code"]) == (False, "few_pairs")
    assert body["large"]["alone_usd"] is None
    assert body["fallback"]["break_even_share"] is None
    told = run(admin, "support").stdout
    assert "saved               unknown: fewer than 30 requests" in told
    assert "turn on `audit`" in told


def test_a_route_without_requests_says_so(admin: Admin) -> None:
    assert "unknown: no request reached a model" in run(admin, "support").stdout


def test_a_route_without_a_fallback_has_nobody_to_be_compared_with(admin: Admin) -> None:
    assert "give the route a `fallback`" in run(admin, "bare").stdout


def test_an_unknown_route_is_an_error(admin: Admin) -> None:
    result = run(admin, "nowhere", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (1, "route_not_found")
