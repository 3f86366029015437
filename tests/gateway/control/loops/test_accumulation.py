"""From batches of many workers to the sums of an experiment."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.control.loops.accumulation import Accumulator
from gateway.store import experiment_data as data
from gateway.store import experiments
from gateway.store.engine import Store
from gateway.store.errors import StoreUnavailable
from gateway.store.experiment_results import add_result
from gateway.store.experiments import StartedStep, StoredExperiment
from routing.experiment.contract import Contract, Limit, MetricName
from routing.experiment.tally import Stratum
from routing.words import Outcome, Reason
from tests.fakes.experiments import CONTRACT, HOUR_US, RUNNING, experiment
from tests.fakes.exposures import SECOND_US, START_US, Exposures, names

FIRST = replace(CONTRACT, horizon_us=0, guardrails=(Limit(metric=MetricName.FAILURE_SHARE, margin=0.01),))
LATER_US = START_US + 600 * SECOND_US


def begun(store: Store, contract: Contract = FIRST) -> StoredExperiment:
    """An experiment whose first step has the ranges of revision 2, and whose second those of revision 3."""
    wanted = experiment(contract, replace(RUNNING, started_us=START_US, step_since_us=START_US))
    with store.writing() as connection:
        found = replace(wanted, id=experiments.add(connection, wanted))
        for step, revision, share in ((0, 2, 100), (1, 3, 5000)):
            experiments.add_step(
                connection,
                StartedStep(
                    experiment_id=found.id, step=step, ranges_revision=revision, started_us=START_US, share=share
                ),
            )
    return found


@pytest.fixture
def exposures(store: Store) -> Exposures:
    return Exposures(store)


def read_all(sums: Accumulator) -> None:
    while sums.read():
        pass


def entered(sums: Accumulator) -> dict[int, tuple[int, int]]:
    return dict(sums.totals().known.entered.units)


def matured(sums: Accumulator, now_us: int = LATER_US) -> dict[int, tuple[int, int]]:
    sums.mature(now_us)
    return dict(sums.totals().known.matured.units)


def test_units_are_counted_by_arm_and_by_the_step_of_their_ranges(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store))
    exposures.write(*exposures.each(names("a", 3), "v1"), *exposures.each(names("b", 2), "v2"))
    exposures.write(*exposures.each(names("c", 4), "v2", ranges_revision=3, at_s=5))
    read_all(sums)
    assert entered(sums) == {0: (3, 2), 1: (0, 4)}
    assert sums.totals().known.weights == {0: (9900, 100), 1: (5000, 5000)}


def test_a_batch_that_another_has_overtaken_is_not_missed(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store))
    exposures.write(exposures.one("a"), writer="quick")
    exposures.write(exposures.one("b"), writer="quick")
    read_all(sums)
    exposures.write(exposures.one("c"), writer="slow")
    read_all(sums)
    assert entered(sums) == {0: (3, 0)}


def test_a_first_request_that_is_recorded_later_takes_the_place_of_the_other(
    store: Store, exposures: Exposures
) -> None:
    sums = Accumulator(store, begun(store))
    exposures.write(exposures.one("a", "v2", ranges_revision=3, at_s=9, outcome=Outcome.FAILED), writer="quick")
    read_all(sums)
    matured(sums)
    exposures.write(exposures.one("a", "v1", at_s=2), writer="slow")
    read_all(sums)
    totals = sums.totals()
    assert matured(sums)[0] == (1, 0)
    assert matured(sums)[1] == entered(sums)[1] == (0, 0)
    assert totals.known.entered.strata[MetricName.FAILURE_SHARE][0].baseline.requests.y == 0
    assert totals.moved == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"is_forced": True}, id="forced by a tester"),
        pytest.param({"bucket": None}, id="targeted before the split"),
        pytest.param({"at_s": -1.0}, id="begun before the experiment"),
        pytest.param({"route": "other"}, id="of another route"),
        pytest.param({"ranges_revision": 1}, id="under the ranges of no step"),
        pytest.param({"arm": "v3"}, id="of an arm that is not compared"),
    ],
)
def test_left_out_are_requests(sqlite_store: Store, changed: dict[str, object]) -> None:
    exposures = Exposures(sqlite_store)
    sums = Accumulator(sqlite_store, begun(sqlite_store))
    exposures.write(exposures.one("a", **changed), exposures.one("b"))  # type: ignore[arg-type]
    read_all(sums)
    assert entered(sums) == {0: (1, 0)}


def test_batches_from_long_before_the_start_are_not_read(sqlite_store: Store) -> None:
    exposures = Exposures(sqlite_store)
    for number in range(3):
        exposures.write(exposures.one(f"old-{number}"), written_us=START_US - HOUR_US)
    exposures.write(exposures.one("a"))
    found = begun(sqlite_store)
    read_all(Accumulator(sqlite_store, found))
    with sqlite_store.reading() as connection:
        assert data.last_before(connection, "w1", START_US) == 3
        assert data.cursors(connection, found.id) == {"w1": 4}
        assert [unit for unit, _ in data.all_units(connection, found.id)] == ["a"]


def test_much_is_read_a_piece_at_a_time(sqlite_store: Store) -> None:
    exposures = Exposures(sqlite_store)
    sums = Accumulator(sqlite_store, begun(sqlite_store), piece=10)
    for number in range(25):
        exposures.write(*exposures.each(names(f"n{number}", 10), "v1"))
    assert [sums.read(), sums.read(), sums.read()] == [True, True, False]
    assert entered(sums) == {0: (250, 0)}


def test_no_writer_waits_for_others_to_have_nothing_new(sqlite_store: Store) -> None:
    exposures = Exposures(sqlite_store)
    stored = begun(sqlite_store)
    sums = Accumulator(sqlite_store, stored, piece=1)
    for turn in range(4):
        for number in range(15):
            exposures.write(exposures.one(f"u{turn}-{number}"), writer=f"w{number:02}")
        assert sums.read()
    with sqlite_store.reading() as connection:
        found = data.cursors(connection, stored.id)
    assert sorted(found) == [f"w{number:02}" for number in range(15)]
    assert sum(found.values()) == 40
    assert min(found.values()) == 2


def test_a_unit_does_not_count_while_requests_of_its_horizon_are_still_to_be_read(sqlite_store: Store) -> None:
    exposures = Exposures(sqlite_store)
    sums = Accumulator(sqlite_store, begun(sqlite_store, replace(FIRST, horizon_us=60 * SECOND_US)), piece=1)
    for number in range(15):
        exposures.write(
            exposures.one("a", at_s=1 + number), written_us=START_US + (2 + number) * SECOND_US, writer="w1"
        )
    for number in range(3):
        exposures.write(
            exposures.one("b", at_s=70 + number), written_us=START_US + (71 + number) * SECOND_US, writer="w2"
        )
    assert sums.read()
    assert matured(sums) == {}
    assert not sums.read()
    assert matured(sums)[0] == (2, 0)
    assert sums.totals().known.matured.strata[MetricName.FALLBACK_SHARE][0].baseline.requests.d == 18


def test_who_starts_again_knows_what_was_known(store: Store, exposures: Exposures) -> None:
    found = begun(store, replace(FIRST, horizon_us=60 * SECOND_US))
    before = Accumulator(store, found)
    for number, arm in enumerate(["v1", "v2"] * 20):
        exposures.write(
            exposures.one(f"u{number}", arm, confidence=number / 64, at_s=number),
            exposures.one(f"u{number}", arm, at_s=number + 30, outcome=Outcome.FALLBACK, duration_us=number * 1000 + 1),
            writer=f"w{number % 3}",
        )
    read_all(before)
    half_us = START_US + 80 * SECOND_US
    before.mature(half_us)
    again = Accumulator(store, found)
    read_all(again)
    again.mature(half_us)
    assert 0 < sum(map(sum, again.totals().known.matured.units.values())) < 40
    assert again.totals() == before.totals()


def test_sums_are_made_anew_where_another_process_has_read_on(store: Store, exposures: Exposures) -> None:
    found = begun(store)
    ours, theirs = Accumulator(store, found), Accumulator(store, found)
    exposures.write(exposures.one("a"))
    read_all(ours)
    exposures.write(exposures.one("b"))
    read_all(theirs)
    exposures.write(exposures.one("c"))
    read_all(ours)
    assert entered(ours) == {0: (3, 0)}


def test_units_and_cursor_change_together_or_not_at_all(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    exposures = Exposures(sqlite_store)
    sums = Accumulator(sqlite_store, begun(sqlite_store, replace(FIRST, horizon_us=HOUR_US)))
    exposures.write(exposures.one("a"), exposures.one("a", at_s=2))

    def fails(*arguments: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(data, "move_cursor", fails)
        with pytest.raises(StoreUnavailable):
            sums.read()
    read_all(sums)
    matured(sums, START_US + 2 * HOUR_US)
    sizes = sums.totals().known.matured.strata[MetricName.FALLBACK_SHARE][0].baseline.requests
    assert (sizes.n, sizes.d) == (1, 2)


def test_a_unit_waits_until_its_horizon_is_over(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store, replace(FIRST, horizon_us=HOUR_US)))
    exposures.write(exposures.one("a", at_s=10), exposures.one("b", "v2", at_s=20))
    read_all(sums)
    assert matured(sums, START_US + HOUR_US + 9 * SECOND_US) == {}
    assert sums.totals().waiting == {"v1": 1, "v2": 1}
    assert matured(sums, START_US + HOUR_US + 15 * SECOND_US) == {0: (1, 0)}
    assert sums.totals().waiting == {"v1": 0, "v2": 1}


def test_of_first_requests_those_count_whose_neighbours_have_had_time_to_be_recorded(sqlite_store: Store) -> None:
    exposures = Exposures(sqlite_store)
    sums = Accumulator(sqlite_store, begun(sqlite_store))
    exposures.write(exposures.one("a", at_s=1))
    read_all(sums)
    assert matured(sums, START_US + 2 * SECOND_US) == {}
    assert matured(sums, START_US + 4 * SECOND_US) == {0: (1, 0)}
    exposures.write(exposures.one("b", at_s=5, duration_us=30 * SECOND_US))
    read_all(sums)
    assert matured(sums, START_US + 34 * SECOND_US) == {0: (1, 0)}
    assert matured(sums, START_US + 36 * SECOND_US) == {0: (2, 0)}


def success_of(sums: Accumulator, metric: MetricName = MetricName.FEEDBACK_SUCCESS) -> Stratum:
    return sums.totals().known.matured.strata[metric].get(0, Stratum())


def test_feedback_counts_for_the_arm_that_was_assigned_whoever_answered(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store))
    own = exposures.one("a", "v2")
    fell_back = exposures.one("b", "v2", model="large", outcome=Outcome.FALLBACK, reason=Reason.ERROR)
    exposures.write(own, fell_back, exposures.one("c", "v2"))
    exposures.say(own[0], success=True)
    exposures.say(fell_back[0], success=False)
    read_all(sums)
    matured(sums)
    assert success_of(sums).arm.requests.n == 2
    assert success_of(sums).arm.requests.mean == 0.5
    assert success_of(sums).baseline.requests.n == 0


def test_of_several_words_on_a_request_the_latest_counts(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store))
    own = exposures.one("a")
    exposures.write(own)
    exposures.say(own[0], success=True, at_s=9)
    exposures.say(own[0], success=False, at_s=3)
    read_all(sums)
    matured(sums)
    assert (success_of(sums).baseline.requests.n, success_of(sums).baseline.requests.y) == (1, 1.0)


def test_labels_count_within_the_horizon_of_their_unit_and_by_unit(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store, replace(FIRST, horizon_us=60 * SECOND_US)))
    asked = [exposures.one("a", at_s=at_s) for at_s in (1, 2, 59, 62)]
    exposures.write(*asked, exposures.one("b"))
    for (row, _), success in zip(asked, (True, False, True, False), strict=True):
        exposures.say(row, success=success)
    read_all(sums)
    matured(sums)
    found = success_of(sums).baseline.requests
    assert (found.n, found.y, found.d, found.yy) == (1, 2.0, 3.0, 4.0)


def test_what_is_said_of_a_forced_request_is_no_result(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store))
    forced = exposures.one("a", at_s=2, is_forced=True)
    exposures.write(exposures.one("a", at_s=1), forced)
    exposures.say(forced[0], success=True)
    read_all(sums)
    matured(sums)
    assert success_of(sums) == Stratum()


def test_audits_weigh_one_over_their_chance(store: Store, exposures: Exposures) -> None:
    sums = Accumulator(store, begun(store))
    asked = exposures.each(names("u", 10), "v1")
    exposures.write(*asked)
    for (row, _), propensity in zip(asked, [1.0] * 9 + [0.05], strict=True):
        exposures.audit(row, agrees=propensity == 1.0, propensity=propensity)
    read_all(sums)
    matured(sums)
    found = success_of(sums, MetricName.AUDIT_AGREEMENT).baseline
    assert found.requests.mean == pytest.approx(9 / 29)
    assert found.requests.n == 2  # (9 + 20)^2 / (9 + 400): nearly all rests on one
    assert found.units.n == 2
    assert found.units.mean == pytest.approx(9 / 29)


def test_a_unit_with_many_audits_counts_once_and_equal_chances_take_nothing_away(
    store: Store, exposures: Exposures
) -> None:
    sums = Accumulator(store, begun(store, replace(FIRST, horizon_us=HOUR_US)))
    asked = [exposures.one("a", at_s=at_s) for at_s in range(1, 5)] + exposures.each(names("u", 3), "v1")
    exposures.write(*asked)
    for number, (row, _) in enumerate(asked):
        exposures.audit(row, agrees=number > 0, propensity=0.25)
    read_all(sums)
    matured(sums, START_US + 2 * HOUR_US)
    found = success_of(sums, MetricName.AUDIT_AGREEMENT).baseline
    assert found.requests.mean == pytest.approx(6 / 7)
    assert found.units.n == 4
    assert found.units.y == pytest.approx(3.75)
    assert found.units.yy == pytest.approx(3 + 0.75**2)


def test_a_guardrail_of_labels_looks_at_first_requests_alone(store: Store, exposures: Exposures) -> None:
    contract = replace(
        FIRST,
        horizon_us=HOUR_US,
        guardrails=(Limit(metric=MetricName.FEEDBACK_SUCCESS, margin=0.01),),
        primary=replace(FIRST.primary, metric=MetricName.COST_USD),
    )
    sums = Accumulator(store, begun(store, contract))
    first, second = exposures.one("a", at_s=1), exposures.one("a", at_s=2)
    exposures.write(first, second)
    exposures.say(first[0], success=True)
    exposures.say(second[0], success=False)
    read_all(sums)
    found = sums.totals().known.entered.strata[MetricName.FEEDBACK_SUCCESS][0].baseline.requests
    assert (found.n, found.y) == (1, 1.0)


@pytest.fixture
def ends(store: Store) -> Callable[[], dict[str, int]]:
    def look() -> dict[str, int]:
        with store.reading() as connection:
            return data.ends(connection)

    return look


def test_every_writer_is_found_with_its_last_batch(exposures: Exposures, ends: Callable[[], dict[str, int]]) -> None:
    assert ends() == {}
    for writer in ("b", "a", "c", "a"):
        exposures.write(exposures.one(writer), writer=writer)
    assert ends() == {"a": 2, "b": 1, "c": 1}


def test_results_of_the_same_time_take_each_others_place(store: Store) -> None:
    found = begun(store)
    with store.writing() as connection:
        for at_us, since_us in ((10, 10), (12, 10), (20, 20)):
            add_result(connection, found.id, at_us, {"at": at_us}, since_us=since_us)
    with store.reading() as connection:
        assert experiments.newest_result(connection, found.id) == (20, {"at": 20})
        rows = connection.exec_driver_sql("SELECT at_us FROM experiment_results ORDER BY at_us").scalars().all()
    assert rows == [12, 20]
