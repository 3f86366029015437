"""Requests become units, in whatever order they come."""

from dataclasses import replace

import pytest

from routing.experiment.accumulate import MEASURED, Request, Unit, join, measure
from routing.experiment.contract import MetricName
from routing.words import Outcome, Result

HOUR_US = 3_600_000_000
SERVED = Request(
    unit="u",
    arm="v1",
    step=0,
    at_us=1_000,
    outcome=Outcome.SERVED,
    arm_result=Result.COMPLETED,
    is_stream=True,
    confidence=0.75,
    duration_us=250_000,
    first_token_us=90_000,
    output_tokens=16,
    cost_nanousd=2_000_000,
)
FELL_BACK = replace(SERVED, outcome=Outcome.FALLBACK, arm_result=Result.INVALID)


def value(request: Request, metric: MetricName) -> float | None:
    return measure(request)[MEASURED.index(metric)]


@pytest.mark.parametrize(
    ("request_", "metric", "expected"),
    [
        pytest.param(SERVED, MetricName.CONFIDENCE, 0.75, id="confidence is the arm's"),
        pytest.param(replace(SERVED, confidence=None), MetricName.CONFIDENCE, None, id="no confidence says nothing"),
        pytest.param(SERVED, MetricName.FALLBACK_SHARE, 0.0, id="the arm answered"),
        pytest.param(FELL_BACK, MetricName.FALLBACK_SHARE, 1.0, id="a fallback counts for the arm that needed it"),
        pytest.param(replace(SERVED, outcome=Outcome.DEGRADED), MetricName.FALLBACK_SHARE, 0.0, id="degraded is own"),
        pytest.param(replace(SERVED, outcome=Outcome.FAILED), MetricName.FAILURE_SHARE, 1.0, id="nobody answered"),
        pytest.param(replace(SERVED, outcome=Outcome.INTERRUPTED), MetricName.FAILURE_SHARE, 1.0, id="it broke off"),
        pytest.param(replace(SERVED, outcome=Outcome.CLIENT_CLOSED), MetricName.FAILURE_SHARE, 0.0, id="client left"),
        pytest.param(FELL_BACK, MetricName.INVALID_SHARE, 1.0, id="a hard gate was not passed"),
        pytest.param(replace(SERVED, arm_result=Result.DOUBTED), MetricName.INVALID_SHARE, 0.0, id="doubt is valid"),
        pytest.param(replace(SERVED, arm_result=Result.TIMEOUT), MetricName.INVALID_SHARE, None, id="was no answer"),
        pytest.param(replace(SERVED, arm_result=None), MetricName.INVALID_SHARE, None, id="was not asked"),
        pytest.param(SERVED, MetricName.LATENCY_MS, 250.0, id="latency in milliseconds"),
        pytest.param(replace(SERVED, outcome=Outcome.FAILED), MetricName.LATENCY_MS, None, id="no answer, no latency"),
        pytest.param(SERVED, MetricName.FIRST_TOKEN_MS, 90.0, id="first token of a stream"),
        pytest.param(replace(SERVED, is_stream=False), MetricName.FIRST_TOKEN_MS, None, id="of streams alone"),
        pytest.param(SERVED, MetricName.OUTPUT_TOKENS, 16.0, id="tokens"),
        pytest.param(SERVED, MetricName.COST_USD, 0.002, id="cost in dollars"),
        pytest.param(replace(SERVED, cost_nanousd=None), MetricName.COST_USD, None, id="an unknown cost is not 0"),
    ],
)
def test_what_a_request_says(request_: Request, metric: MetricName, expected: float | None) -> None:
    assert value(request_, metric) == expected


def joined(*requests: Request, horizon_us: int = 0) -> Unit:
    unit = None
    for request in requests:
        unit = join(unit, request, horizon_us)
    assert unit is not None
    return unit


LATER = replace(SERVED, at_us=2_000, duration_us=750_000, outcome=Outcome.FALLBACK)
FALLBACK = MEASURED.index(MetricName.FALLBACK_SHARE)


def test_with_the_first_request_as_horizon_a_unit_brings_that_alone() -> None:
    unit = joined(SERVED, LATER)
    assert (unit.y[FALLBACK], unit.d[FALLBACK]) == (0.0, 1)
    assert unit.first == measure(SERVED)


def test_over_a_horizon_a_unit_brings_all_requests_up_to_its_end() -> None:
    behind = replace(LATER, at_us=1_000 + HOUR_US)
    unit = joined(SERVED, LATER, behind, horizon_us=HOUR_US)
    assert (unit.y[FALLBACK], unit.d[FALLBACK]) == (1.0, 2)


def test_an_earlier_request_that_is_recorded_later_is_the_first() -> None:
    early = replace(SERVED, at_us=500, arm="v2", step=3, duration_us=1_000)
    unit = joined(SERVED, early)
    assert (unit.arm, unit.step, unit.entered_us, unit.is_moved) == ("v2", 3, 500, True)
    assert unit.first == unit.y == measure(early)


def test_a_unit_stays_where_it_entered_and_is_counted_as_moved() -> None:
    moved = replace(SERVED, at_us=5_000, arm="v2", step=1)
    unit = joined(SERVED, moved, horizon_us=HOUR_US)
    assert (unit.arm, unit.step, unit.is_moved) == ("v1", 0, True)
    assert unit.d[FALLBACK] == 2  # intention to treat: it counts where it entered


def test_nobody_enters_under_the_ranges_of_no_step_but_who_has_entered_goes_on() -> None:
    paused = replace(LATER, step=None)
    assert join(None, paused, HOUR_US) is None
    assert joined(SERVED, paused, horizon_us=HOUR_US).d[FALLBACK] == 2
    assert joined(SERVED, replace(paused, at_us=1), horizon_us=HOUR_US) == joined(SERVED, horizon_us=HOUR_US)
