"""Sums over units, whatever comes in and goes out of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.accumulate import Request, Unit, join
from routing.experiment.contract import MetricName
from routing.experiment.sums import ArmSums
from routing.experiment.tally import Both, Stratum, Tally, over_steps
from routing.experiment.units import Exposure, mature
from routing.words import Outcome
from tests.routing.experiment.test_accumulate import HOUR_US, LATER, SERVED, joined

requests_of_few = st.lists(
    st.builds(
        replace,
        st.just(SERVED),
        unit=st.sampled_from("abc"),
        arm=st.sampled_from(["v1", "v2"]),
        step=st.sampled_from([0, 1]),
        outcome=st.sampled_from([Outcome.SERVED, Outcome.FALLBACK, Outcome.FAILED]),
        duration_us=st.integers(1, 1_000_000),
    ),
    max_size=12,
)


def tallied(requests: list[Request], horizon_us: int) -> tuple[Tally, dict[str, Unit]]:
    """As the loop does it: a unit that changes is taken out and put in again."""
    tally, units = Tally(), dict[str, Unit]()
    for request in requests:
        before = units.get(request.unit)
        after = join(before, request, horizon_us)
        assert after is not None
        if before is not None:
            tally.enter(before, -1)
            tally.mature(before, -1)
        tally.enter(after)
        tally.mature(after)
        units[request.unit] = after
    return tally, units


@given(requests_of_few, st.randoms(use_true_random=False))
def test_the_order_in_which_requests_come_makes_no_difference(requests: list[Request], chance: object) -> None:
    distinct = [replace(request, at_us=number) for number, request in enumerate(requests)]
    shuffled = list(distinct)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert tallied(shuffled, 0)[1] == tallied(distinct, 0)[1]
    one, other = tallied(shuffled, 0)[0].entered("v1", "v2"), tallied(distinct, 0)[0].entered("v1", "v2")
    for metric in (MetricName.FALLBACK_SHARE, MetricName.FAILURE_SHARE):
        assert {k: v for k, v in one.strata[metric].items() if v != Stratum()} == {
            k: v for k, v in other.strata[metric].items() if v != Stratum()
        }
    assert sum(map(sum, one.units.values())) == len({request.unit for request in requests})


@given(requests_of_few, st.sampled_from([0, 4, 1000]))
def test_the_sums_are_those_of_all_requests_at_once(requests: list[Request], horizon_us: int) -> None:
    distinct = [replace(request, at_us=number) for number, request in enumerate(requests)]
    at_once = mature(
        (
            Exposure(
                unit=one.unit,
                arm=one.arm,
                step=one.step or 0,
                at_us=one.at_us,
                y=float(one.outcome == Outcome.FALLBACK),
            )
            for one in distinct
        ),
        now_us=10_000,
        horizon_us=horizon_us,
        is_ratio=True,
    )
    tally, _ = tallied(distinct, horizon_us)
    sums = tally.matured("v1", "v2")
    assert tally.moved == at_once.moved
    for (step, arm), expected in at_once.sums.items():
        stratum = sums.strata[MetricName.FALLBACK_SHARE][step]
        assert (stratum.baseline if arm == "v1" else stratum.arm).requests == expected


def test_who_was_taken_out_of_the_sums_leaves_no_trace_in_a_share() -> None:
    tally = Tally()
    thirds = joined(SERVED, LATER, replace(SERVED, at_us=3_000), horizon_us=HOUR_US)
    for sign in (1, 1, -1, -1):
        tally.mature(thirds, sign)
    stratum = tally.matured("v1", "v2").strata[MetricName.FALLBACK_SHARE][0]
    assert stratum.baseline == Both()


def test_units_that_are_all_alike_do_not_seem_to_differ_by_rounding() -> None:
    tally = Tally()
    for number in range(300):
        tally.mature(joined(replace(SERVED, unit=str(number), cost_nanousd=1_000_001)))
    costs = tally.matured("v1", "v2").strata[MetricName.COST_USD][0].baseline.requests
    assert costs.mean == pytest.approx(0.001000001)
    assert costs.variance() == 0


def test_p95_is_of_the_latencies_of_first_requests() -> None:
    tally = Tally()
    tally.enter(joined(SERVED, LATER, horizon_us=HOUR_US))
    tally.enter(joined(replace(SERVED, arm="v2", outcome=Outcome.FAILED)))
    baseline, arm = tally.entered("v1", "v2").latencies[0]
    assert (baseline.n, arm.n) == (1, 0)
    assert baseline.bucket(1)[0] < 250 <= baseline.bucket(1)[1]


def test_a_units_share_is_the_mean_of_its_requests_where_units_count_once() -> None:
    tally = Tally()
    tally.mature(joined(SERVED, LATER, horizon_us=HOUR_US))
    tally.mature(joined(LATER, horizon_us=HOUR_US))
    both = tally.matured("v1", "v2").strata[MetricName.FALLBACK_SHARE][0].baseline
    assert both.requests == ArmSums.of([1, 1], [2, 1])
    assert both.units == ArmSums.of([0.5, 1.0])


def test_steps_are_added_up_for_counting() -> None:
    half = Stratum(baseline=Both(ArmSums.of([1]), ArmSums.of([1])))
    assert over_steps([half, half]).baseline.requests == ArmSums.of([1, 1])
    assert over_steps([]) == Stratum()
