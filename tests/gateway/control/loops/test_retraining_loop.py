"""Whether a version is due for training again, as the loop finds it in the store."""

import json
from dataclasses import replace

import pytest

from gateway.control.loops.drift_arm import Arm
from gateway.control.loops.retraining import Retraining
from gateway.control.retraining_facts import created_us, trained_us
from gateway.store import drift, retraining
from gateway.store.engine import Store
from gateway.store.versions import VersionRecord
from routing.drift.alarms import Alarm, Cause
from routing.drift.features import Family
from routing.drift.retraining import DAY_US, RetrainingReason
from routing.drift.watch import Watch
from tests.fakes.documents import SUPPORT, V1, V2
from tests.fakes.publishing import frozen_clock
from tests.fakes.retraining import TRAINED_US, Plant
from tests.fakes.webhooks import receiving

DRIFT, QUALITY, CADENCE = RetrainingReason


@pytest.fixture
def plant(store: Store) -> Plant:
    return Plant(store)


def test_before_anything_is_published_there_is_nothing_to_look_at(store: Store) -> None:
    assert Retraining(store, frozen_clock).run() is False


def test_a_young_version_is_not_due(plant: Plant) -> None:
    plant.label(900)
    plant.look(after_s=89 * 86_400)
    assert plant.due == set()


def test_an_old_version_is_due_once_enough_examples_have_come(plant: Plant) -> None:
    plant.label(499)
    plant.look(after_s=90 * 86_400)
    assert plant.due == set()
    plant.label(1, first=500)
    plant.look(after_s=60)
    assert plant.due == {CADENCE}


def test_what_was_labelled_before_the_training_is_nothing_new(plant: Plant) -> None:
    plant.now_us = TRAINED_US - DAY_US
    plant.label(900)
    plant.now_us = TRAINED_US
    plant.look(after_s=90 * 86_400)
    assert plant.due == set()


def test_every_setting_of_the_file_counts(plant: Plant) -> None:
    plant.publish(every_days=10, min_new_examples=20)
    plant.label(20)
    plant.look(after_s=10 * 86_400)
    assert plant.due == {CADENCE}


def test_a_newer_version_with_a_share_ends_it(plant: Plant) -> None:
    plant.grow_old()
    plant.look()
    plant.register(V2, "2026-12-20T12:00:00+02:00")
    plant.publish(split={V1: 5_000, V2: 5_000})
    plant.look(after_s=60)
    assert plant.due == set()


def test_less_accuracy_than_at_first_that_lasts_is_a_reason(plant: Plant) -> None:
    plant.now_us += DAY_US
    plant.label(300)
    plant.look()
    plant.now_us += DAY_US
    plant.label(200, first=1001, value=0.0)
    plant.label(100, first=2001)
    plant.look(after_s=1)
    assert plant.due == set()
    plant.look(after_s=59 * 60)
    assert plant.due == set()
    plant.look(after_s=61)
    assert plant.due == {QUALITY}


def test_an_alarm_of_drift_that_lasts_is_a_reason_and_is_told(store: Store) -> None:
    with receiving() as receiver:
        plant = Plant(store, receiver.url)
        alarm = Alarm(feature="grams", family=Family.VOCABULARY, cause=Cause.WINDOW, since_us=plant.now_us, score=0.41)
        arm = replace(Arm.of(None), watch=Watch(alarms={"grams": alarm}))
        with store.writing() as connection:
            drift.put_state(connection, SUPPORT, V1, plant.now_us, arm.as_document())
        plant.look(after_s=59 * 60)
        assert plant.due == set()
        plant.look(after_s=61)
        assert plant.due == {DRIFT}
    [told] = receiver.told
    assert [one["feature"] for one in json.loads(told.body)["data"]["moved"]] == ["grams"]


def test_what_the_first_audits_found_is_kept_when_their_labels_are_gone(plant: Plant) -> None:
    plant.now_us += DAY_US
    plant.label(300)
    plant.look()
    with plant.store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM labels")
        kept = retraining.kept_audits(connection, SUPPORT, V1, TRAINED_US)
        assert kept is not None
        assert (kept.n, kept.accuracy) == (300, 1.0)
        assert retraining.kept_audits(connection, SUPPORT, V1, TRAINED_US + 1) is None


def test_few_audits_at_first_are_not_kept_yet(plant: Plant) -> None:
    plant.now_us += DAY_US
    plant.label(299)
    plant.look()
    with plant.store.reading() as connection:
        assert retraining.kept_audits(connection, SUPPORT, V1, TRAINED_US) is None


def test_what_stands_survives_a_restart(plant: Plant) -> None:
    plant.grow_old()
    plant.look()
    before = plant.standings
    plant.restart()
    plant.look(after_s=60)
    assert plant.standings[CADENCE].due_since_us == before[CADENCE].due_since_us


def test_routes_that_there_are_no_more_are_forgotten(plant: Plant) -> None:
    plant.look()
    with plant.store.writing() as connection:
        retraining.forget_others(connection, [])
    assert plant.standings == {}


@pytest.mark.parametrize(
    ("said", "at_us"),
    [
        ("2026-09-22", TRAINED_US),
        ("2026-09-22T02:00:00+02:00", TRAINED_US),
        ("2026-09-22T00:00:00", TRAINED_US),
        ("last summer", None),
        (None, None),
    ],
)
def test_a_lineage_says_when_a_version_was_made(said: object, at_us: int | None) -> None:
    assert created_us(said) == at_us


def test_a_version_whose_lineage_does_not_say_is_as_old_as_its_registration() -> None:
    version = VersionRecord(model="v1", lineage={}, dataset_sha256=None, base_model=None, registered_us=7)
    assert trained_us(version) == 7
    assert trained_us(None) is None
