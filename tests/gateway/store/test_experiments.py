from dataclasses import replace

import pytest
from sqlalchemy import Table, insert, select
from sqlalchemy.exc import IntegrityError

from gateway.store import experiment_data as data
from gateway.store import experiments
from gateway.store.engine import Store
from gateway.store.experiment_results import add_result
from gateway.store.experiments import StartedStep, StoredExperiment
from gateway.store.tables import experiment_cursors, experiment_results, experiment_units
from routing.experiment.accumulate import MEASURED, Unit
from routing.experiment.contract import ExperimentState
from routing.words import RouteName
from tests.fakes.documents import SUPPORT
from tests.fakes.experiments import CONTRACT, RUNNING, experiment

OTHER = RouteName("other")


def add(store: Store, wanted: StoredExperiment) -> StoredExperiment:
    with store.writing() as connection:
        return replace(wanted, id=experiments.add(connection, wanted))


def test_an_experiment_is_read_back_as_it_was_kept(store: Store) -> None:
    contract = replace(CONTRACT, alpha=0.1 + 0.2, holdout=500)
    kept = add(store, experiment(contract, updated_us=7))

    with store.reading() as connection:
        assert experiments.one(connection, SUPPORT, "v2") == kept
        assert experiments.one(connection, OTHER, "v2") is None
        assert experiments.one(connection, SUPPORT, "v3") is None
        assert experiments.open_one(connection, SUPPORT) == kept


def test_progress_takes_the_place_of_what_was_and_the_contract_stays(store: Store) -> None:
    kept = add(store, experiment())
    promoted = replace(RUNNING, state=ExperimentState.PROMOTED, step=4, step_since_us=9, reason="v2 is better\0")
    with store.writing() as connection:
        experiments.change(connection, kept.id, promoted, ended_us=12, updated_us=12)

    with store.reading() as connection:
        found = experiments.one(connection, SUPPORT, "v2")
        assert experiments.open_one(connection, SUPPORT) is None
    assert found == replace(kept, progress=replace(promoted, reason="v2 is better"), ended_us=12, updated_us=12)


def test_those_that_are_open_are_told_from_those_that_are_over(store: Store) -> None:
    over = replace(RUNNING, state=ExperimentState.ROLLED_BACK)
    first = add(store, experiment(progress=over, ended_us=5))
    paused = replace(RUNNING, state=ExperimentState.PAUSED)
    second = add(store, experiment(replace(CONTRACT, name="v3"), paused))
    third = add(store, experiment(route=OTHER))

    with store.reading() as connection:
        assert experiments.open_ones(connection) == [second, third]
        assert experiments.listing(connection) == [first, second, third]
        assert experiments.listing(connection, SUPPORT) == [first, second]


def test_a_name_is_used_once_on_a_route(store: Store) -> None:
    add(store, experiment())
    with pytest.raises(IntegrityError):
        add(store, experiment())


def test_steps_are_told_in_the_order_in_which_they_came_into_force(store: Store) -> None:
    wanted = [
        StartedStep(experiment_id=1, step=step, ranges_revision=revision, started_us=revision * 10, share=share)
        for step, revision, share in ((0, 3, 100), (1, 9, 500), (1, 12, 500))
    ]
    with store.writing() as connection:
        for step in reversed(wanted):
            experiments.add_step(connection, step)
        experiments.add_step(connection, replace(wanted[0], experiment_id=2))

    with store.reading() as connection:
        assert experiments.steps(connection, 1) == wanted


def test_the_newest_result_is_what_was_seen_last(store: Store) -> None:
    with store.writing() as connection:
        assert experiments.newest_result(connection, 1) is None
        for at_us, body in ((20, '{"a": 2}'), (10, '{"a": 1}')):
            connection.execute(insert(experiment_results), {"experiment_id": 1, "at_us": at_us, "body": body})

        assert experiments.newest_result(connection, 1) == (20, {"a": 2})
        assert experiments.newest_result(connection, 2) is None


UNIT = Unit(
    arm=CONTRACT.baseline,
    step=0,
    entered_us=1,
    is_moved=False,
    first=(None,) * len(MEASURED),
    y=(0.0,) * len(MEASURED),
    d=(0,) * len(MEASURED),
)


def left(store: Store, table: Table) -> list[int]:
    """The experiments of the rows that are left."""
    with store.reading() as connection:
        return list(connection.execute(select(table.c.experiment_id).order_by(table.c.experiment_id)).scalars())


def test_units_go_so_long_after_the_end_a_few_at_a_time_and_results_stay(store: Store) -> None:
    old, recent, running = (
        add(store, experiment(replace(CONTRACT, name=name), ended_us=ended_us)).id
        for name, ended_us in (("old", 99), ("recent", 100), ("running", None))
    )
    with store.writing() as connection:
        for one in (old, recent, running):
            for number in range(5):
                data.put_units(connection, one, {f"unit-{number}": UNIT})
            data.move_cursor(connection, one, "w", 1)
            add_result(connection, one, 1, {}, since_us=0)

    found: list[int] = []
    while not found or found[-1] == 2:
        with store.writing() as connection:
            found.append(data.expire(connection, 100, 2))
    assert found == [2, 2, 1]
    assert left(store, experiment_units) == [recent] * 5 + [running] * 5
    assert left(store, experiment_cursors) == [recent, running]
    assert left(store, experiment_results) == [old, recent, running]
    with store.reading() as connection:
        assert len(experiments.listing(connection)) == 3


def test_cursors_stay_until_the_last_unit_is_gone(store: Store) -> None:
    old = add(store, experiment(ended_us=1)).id
    with store.writing() as connection:
        data.put_units(connection, old, {f"unit-{number}": UNIT for number in range(3)})
        data.move_cursor(connection, old, "w", 1)
        assert data.expire(connection, 100, 2) == 2
    assert left(store, experiment_cursors) == [old]
    with store.writing() as connection:
        assert data.expire(connection, 100, 2) == 1
    assert left(store, experiment_cursors) == []
