from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.contract import (
    IS_HIGHER_BETTER,
    LABEL_METRICS,
    SHARES,
    ExperimentState,
    MetricName,
)
from tests.fakes.experiments import CONTRACT


def test_the_hold_out_is_taken_from_every_share() -> None:
    assert [CONTRACT.share_at(step) for step in range(5)] == [100, 500, 2500, 5000, 10_000]
    contract = replace(CONTRACT, holdout=500, steps=(1, 100, 10_000))
    assert [contract.share_at(step) for step in range(3)] == [1, 95, 9500]


@given(st.lists(st.integers(1, 9_999), unique=True).map(sorted), st.integers(0, 5_000))
def test_shares_rise_and_leave_the_hold_out_alone(steps: list[int], holdout: int) -> None:
    contract = replace(CONTRACT, steps=(*steps, 10_000), holdout=holdout)
    shares = [contract.share_at(step) for step in range(contract.last_step + 1)]

    assert shares == sorted(shares)
    assert shares[0] >= 1
    assert shares[-1] == 10_000 - holdout


def test_what_is_over_stays_as_it_is() -> None:
    over = {state for state in ExperimentState if state.is_over}
    assert over == {ExperimentState.INCONCLUSIVE, ExperimentState.PROMOTED, ExperimentState.ROLLED_BACK}


def test_labels_are_shares_of_which_more_is_better() -> None:
    assert LABEL_METRICS < IS_HIGHER_BETTER < SHARES < set(MetricName)
