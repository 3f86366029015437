"""Sums over shadows, on both kinds of store."""

import pytest

from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import AttemptRow, ShadowOutcome, ShadowRow
from gateway.store.engine import Store
from gateway.store.retention import expire
from gateway.store.shadow_pairs import PairMetric, ShadowSums, sum_shadows
from routing.words import Purpose, Result
from tests.fakes.records import STARTED_US, attempt_rows, request_id, served_row

DAY_US = 86_400_000_000
DURATION, COST, TOKENS, AGREEMENT = PairMetric


def arm_attempt(number: int, *, started_us: int = STARTED_US, **changed: object) -> AttemptRow:
    plain = {"result": Result.COMPLETED, "duration_us": 100, "cost_nanousd": 10, "output_tokens": 5}
    return attempt_rows(number, started_us=started_us)[0]._replace(**{**plain, **changed})  # type: ignore[arg-type]


def add(
    store: Store,
    number: int,
    *,
    unit: str = "ann",
    propensity: float = 1.0,
    agrees: bool | None = True,
    arm: dict[str, object] | None = None,
    other: dict[str, object] | None = None,
    started_us: int = STARTED_US,
    route: str = "support",
    model: str = "next",
) -> None:
    """One request that was shadowed: the other model takes 50 µs more, costs 4 less and says 2 tokens more."""
    rid = request_id(number, started_us)
    request = served_row(number)._replace(request_id=rid, unit_hash=unit, route=route, started_us=started_us)
    first = arm_attempt(number, started_us=started_us, **(arm or {}))
    told = {"number": 3, "model": model, "purpose": Purpose.SHADOW}
    plain = {"duration_us": 150, "cost_nanousd": 6, "output_tokens": 7}
    second = first._replace(**{**told, "result": Result.COMPLETED, **plain, **(other or {})})  # type: ignore[arg-type]
    row = ShadowRow(rid, route, "v1", model, 3, propensity, agrees, started_us)
    outcome = ShadowOutcome(request_id=rid, attempts=[second], row=row)
    BatchWriter(store, "w", lambda: started_us).write(Batch(seq=number, entries=[(request, [first]), outcome]))


def test_differences_are_summed_by_unit(store: Store) -> None:
    for number, unit in enumerate(["ann", "ann", "ben"], 1):
        add(store, number, unit=unit)
    (found,) = _sums(store)
    assert (found.arm, found.model, found.asked, found.failed) == ("v1", "next", 3, 0)
    took = found.metrics[DURATION]
    assert (took.requests, took.units, took.weight, took.arm, took.other) == (3, 2, 3.0, 300.0, 450.0)
    assert (took.squares, took.weight_squares, took.products) == (100.0**2 + 50.0**2, 5.0, 100 * 2 + 50)
    cost, tokens = found.metrics[COST], found.metrics[TOKENS]
    assert (cost.arm, cost.other, tokens.arm, tokens.other) == (30.0, 18.0, 15.0, 21.0)


def test_each_request_weighs_one_over_its_chance(store: Store) -> None:
    add(store, 1, propensity=0.25, agrees=False)
    add(store, 2, unit="ben", propensity=1.0)
    (found,) = _sums(store)
    assert (found.metrics[TOKENS].weight, found.metrics[TOKENS].other) == (5.0, 35.0)
    agreed = found.metrics[AGREEMENT]
    assert (agreed.weight, agreed.other, agreed.arm) == (5.0, 1.0, 0.0)


def test_what_is_not_known_of_both_is_left_out_of_its_metric_alone(store: Store) -> None:
    add(store, 1, arm={"cost_nanousd": None})
    add(store, 2, other={"output_tokens": None}, agrees=None, unit="ben")
    (found,) = _sums(store)
    assert [found.metrics[metric].requests for metric in PairMetric] == [2, 1, 1, 1]
    assert [found.metrics[metric].units for metric in PairMetric] == [2, 1, 1, 1]
    assert found.metrics[AGREEMENT].other == 1.0


@pytest.mark.parametrize("result", [Result.ERROR, Result.TIMEOUT, Result.UNAVAILABLE, Result.CANCELLED])
def test_an_answer_that_did_not_come_is_counted_and_compared_with_nothing(store: Store, result: Result) -> None:
    add(store, 1, agrees=None, other={"result": result, "cost_nanousd": 0})
    add(store, 2)
    (found,) = _sums(store)
    assert (found.asked, found.failed) == (2, 1)
    assert [found.metrics[metric].requests for metric in PairMetric] == [1, 1, 1, 1]


def test_differences_of_days_do_not_overflow(store: Store) -> None:
    for number in range(1, 4):
        add(store, number, other={"duration_us": 6 * 10**12, "cost_nanousd": 10**15})
    (found,) = _sums(store)
    assert found.metrics[DURATION].squares == pytest.approx((3 * 6e12) ** 2)


def test_arms_models_routes_and_times_are_told_apart(store: Store) -> None:
    add(store, 1)
    add(store, 2, model="other")
    add(store, 3, route="another")
    add(store, 4, started_us=STARTED_US - DAY_US)
    assert [(one.model, one.asked) for one in _sums(store, STARTED_US)] == [("next", 1), ("other", 1)]
    assert [(one.model, one.asked) for one in _sums(store)] == [("next", 2), ("other", 1)]


def test_shadows_go_with_their_requests(store: Store) -> None:
    add(store, 1, started_us=STARTED_US - DAY_US)
    add(store, 2)
    assert expire(store, STARTED_US - 1) == 1
    assert [one.asked for one in _sums(store)] == [1]


def _sums(store: Store, since_us: int = 0) -> list[ShadowSums]:
    with store.reading() as connection:
        return sum_shadows(connection, "support", since_us)
