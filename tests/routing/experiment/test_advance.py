from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.advance import Move, MoveKind, StepUnits, advance
from routing.experiment.contract import Contract, ExperimentMode, ExperimentState, Progress
from routing.experiment.ruling import Ruled, Ruling
from tests.fakes.experiments import CONTRACT, HOUR_US, RUNNING

SINCE_US = 10 * HOUR_US
SOAKED_US = SINCE_US + HOUR_US
STOP_US = CONTRACT.stop_us
ENOUGH = StepUnits(baseline=500, candidate=500)
LAST = CONTRACT.last_step


def ruled(ruling: Ruling) -> Ruled:
    return Ruled(ruling=ruling, reason=f"because of {ruling}")


def at(step: int, state: ExperimentState = ExperimentState.RUNNING) -> Progress:
    return replace(RUNNING, state=state, step=step, step_since_us=SINCE_US)


WAIT, PROMOTE, BLOCKED, ROLL_BACK = (
    ruled(one) for one in (Ruling.WAIT, Ruling.PROMOTE, Ruling.BLOCKED, Ruling.ROLL_BACK)
)
FEW_OF_CANDIDATE = StepUnits(baseline=9000, candidate=499)
FEW_OF_BASELINE = StepUnits(baseline=499, candidate=9000)


@pytest.mark.parametrize(
    ("step", "now_us", "units", "ruling", "kind", "reason"),
    [
        pytest.param(0, SOAKED_US, ENOUGH, WAIT, "step", "1 % did no harm: because of wait", id="no harm is enough"),
        pytest.param(2, SOAKED_US, ENOUGH, PROMOTE, "step", "25 % did no harm: because of promote", id="one at a time"),
        pytest.param(0, SOAKED_US - 1, ENOUGH, PROMOTE, "stay", "1 % has to last 0 s longer", id="the soak lasts"),
        pytest.param(0, SINCE_US, ENOUGH, WAIT, "stay", "1 % has to last 3600 s longer", id="the soak has begun"),
        pytest.param(
            1,
            SOAKED_US,
            FEW_OF_CANDIDATE,
            PROMOTE,
            "stay",
            "499 units in an arm at 5 %, where 500 are needed",
            id="too few units of the candidate at this step",
        ),
        pytest.param(
            3,
            SOAKED_US,
            FEW_OF_BASELINE,
            PROMOTE,
            "stay",
            "499 units in an arm at 50 %, where 500 are needed",
            id="too few units of the baseline at this step",
        ),
        pytest.param(2, SOAKED_US, ENOUGH, BLOCKED, "stay", "because of blocked", id="blocked goes nowhere"),
        pytest.param(2, SINCE_US, ENOUGH, BLOCKED, "stay", "because of blocked", id="blocked is told before the soak"),
        pytest.param(
            3,
            SOAKED_US,
            ENOUGH,
            WAIT,
            "stay",
            "100 % needs a verdict: because of wait",
            id="not proven: not to the last",
        ),
        pytest.param(3, SOAKED_US, ENOUGH, PROMOTE, "step", "50 % did no harm: because of promote", id="to the last"),
        pytest.param(LAST, SOAKED_US, ENOUGH, PROMOTE, "promote", "because of promote", id="the last one promotes"),
        pytest.param(
            LAST, SOAKED_US, FEW_OF_BASELINE, PROMOTE, "promote", "because of promote", id="the last needs no baseline"
        ),
        pytest.param(
            LAST,
            SOAKED_US,
            FEW_OF_CANDIDATE,
            PROMOTE,
            "stay",
            "499 units in an arm at 100 %, where 500 are needed",
            id="the last needs units too",
        ),
        pytest.param(
            LAST, SOAKED_US, ENOUGH, WAIT, "stay", "100 % needs a verdict: because of wait", id="no longer proven"
        ),
        pytest.param(0, SINCE_US, FEW_OF_CANDIDATE, ROLL_BACK, "roll_back", "because of roll_back", id="harm at once"),
        pytest.param(LAST, STOP_US, ENOUGH, ROLL_BACK, "roll_back", "because of roll_back", id="harm at the stop date"),
        pytest.param(
            1,
            STOP_US,
            ENOUGH,
            WAIT,
            "inconclusive",
            "the stop date, 1970-04-01 00:00 UTC, has come without a verdict: because of wait",
            id="time is up",
        ),
        pytest.param(
            1,
            STOP_US,
            ENOUGH,
            BLOCKED,
            "inconclusive",
            "the stop date, 1970-04-01 00:00 UTC, has come without a verdict: because of blocked",
            id="time is up while blocked",
        ),
        pytest.param(
            1,
            STOP_US,
            FEW_OF_CANDIDATE,
            PROMOTE,
            "inconclusive",
            "the stop date, 1970-04-01 00:00 UTC, has come without a verdict: "
            "499 units in an arm at 5 %, where 500 are needed",
            id="time is up before the last step",
        ),
        pytest.param(LAST, STOP_US, ENOUGH, PROMOTE, "promote", "because of promote", id="just in time"),
    ],
)
def test_what_becomes_of_a_running_experiment(
    step: int, now_us: int, units: StepUnits, ruling: Ruled, kind: str, reason: str
) -> None:
    move = advance(CONTRACT, at(step), ruling, now_us=now_us, units=units)

    assert move == Move(
        kind=MoveKind(kind),
        reason=reason,
        to_step=step + 1 if kind == "step" else None,
        is_acted_on=kind != "stay",
    )


@pytest.mark.parametrize("state", [state for state in ExperimentState if state is not ExperimentState.RUNNING])
def test_nothing_becomes_of_one_that_is_not_running(state: ExperimentState) -> None:
    move = advance(CONTRACT, at(1, state), ROLL_BACK, now_us=STOP_US, units=ENOUGH)

    assert (move.kind, move.is_acted_on) == (MoveKind.STAY, False)
    assert move.reason == f"it is {state.replace('_', ' ')}: started by ops"


def test_one_step_alone_is_the_last() -> None:
    contract = replace(CONTRACT, steps=(10_000,), holdout=500)
    for ruling, kind in ((PROMOTE, MoveKind.PROMOTE), (WAIT, MoveKind.STAY)):
        assert advance(contract, at(0), ruling, now_us=SOAKED_US, units=ENOUGH).kind is kind


ANY_RULING = st.sampled_from(list(Ruling)).map(ruled)
ANY_UNITS = st.builds(StepUnits, baseline=st.integers(0, 1000), candidate=st.integers(0, 1000))
ANY_STEP = st.integers(0, LAST)
ANY_TIME = st.integers(0, 2 * STOP_US)
ANY_CONTRACT = st.sampled_from([CONTRACT, replace(CONTRACT, mode=ExperimentMode.OBSERVE)])


@given(ANY_CONTRACT, ANY_STEP, ANY_RULING, ANY_TIME, ANY_UNITS)
def test_no_step_is_skipped_or_goes_down(
    contract: Contract, step: int, ruling: Ruled, now_us: int, units: StepUnits
) -> None:
    move = advance(contract, at(step), ruling, now_us=now_us, units=units)

    assert move.to_step == (step + 1 if move.kind is MoveKind.STEP else None)
    assert move.to_step is None or move.to_step <= LAST


@given(ANY_CONTRACT, ANY_STEP, ANY_TIME, ANY_UNITS)
def test_harm_always_rolls_back(contract: Contract, step: int, now_us: int, units: StepUnits) -> None:
    move = advance(contract, at(step), ROLL_BACK, now_us=now_us, units=units)

    assert move.kind is MoveKind.ROLL_BACK
    assert move.is_acted_on is (contract.mode is ExperimentMode.AUTO)


@given(ANY_STEP, ANY_RULING, ANY_TIME, ANY_UNITS)
def test_observing_says_the_same_and_never_acts(step: int, ruling: Ruled, now_us: int, units: StepUnits) -> None:
    acting = advance(CONTRACT, at(step), ruling, now_us=now_us, units=units)
    observing = advance(replace(CONTRACT, mode=ExperimentMode.OBSERVE), at(step), ruling, now_us=now_us, units=units)

    assert observing == replace(acting, is_acted_on=False)
    assert acting.is_acted_on is (acting.kind is not MoveKind.STAY)


@given(ANY_STEP, ANY_RULING, ANY_TIME, ANY_UNITS)
def test_nobody_is_promoted_who_is_not_proven(step: int, ruling: Ruled, now_us: int, units: StepUnits) -> None:
    move = advance(CONTRACT, at(step), ruling, now_us=now_us, units=units)

    is_to_everybody = move.kind is MoveKind.PROMOTE or move.to_step == LAST
    assert not is_to_everybody or ruling.ruling is Ruling.PROMOTE
