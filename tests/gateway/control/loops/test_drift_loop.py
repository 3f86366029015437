"""What the loop makes of slices: windows, references, alarms, each kept with the cursors in one transaction."""

import pytest

from gateway.control.loops.drift import DriftWatch
from gateway.store import drift, drift_alarms, labels
from gateway.store.drift import Slice
from gateway.store.engine import Store
from routing.drift.features import Side
from tests.fakes.documents import SUPPORT, V1, V2
from tests.fakes.drifting import MINUTE_US, Watched, minute_of
from tests.fakes.publishing import frozen_clock
from tests.fakes.records import audit_label, request_id


@pytest.fixture
def watched(store: Store) -> Watched:
    return Watched(store)


def test_before_anything_is_published_there_is_nothing_to_do(store: Store) -> None:
    assert DriftWatch(store, frozen_clock).run() is False


def test_a_planted_shift_alarms_in_its_first_window_and_for_its_arm_alone(watched: Watched) -> None:
    watched.teach(V1)
    watched.teach(V2)
    watched.minutes(minute_of(at) for at in range(10))
    assert watched.alarms == set()
    watched.minutes(minute_of(50 + at, german=True) for at in range(5))
    watched.minutes((minute_of(80 + at) for at in range(5)), model=V2, writer_id="w2")
    assert (V1, "language") in watched.alarms
    assert {model for model, _ in watched.alarms} == {V1}
    newest = watched.windows()[0]
    assert newest.body["findings"][0]["name"] in {"language", "non_ascii"}
    assert newest.body["grams"]
    watched.minutes(minute_of(90 + at) for at in range(15))
    assert watched.alarms == set()


def test_restarts_between_slices_change_nothing(store: Store) -> None:
    watched = Watched(store)
    watched.teach()
    for at in range(12):
        watched.restart()
        watched.minutes([minute_of(at, german=at > 5)])
    assert [window.n for window in watched.windows()] == [600, 600]
    assert (V1, "language") in watched.alarms


def test_a_slice_that_is_handed_over_again_counts_once(watched: Watched) -> None:
    watched.minutes([minute_of(1)])
    again = Slice(SUPPORT, V1, watched.now_us - MINUTE_US, watched.now_us, minute_of(1))
    drift.hand_over(watched.store, "w1", watched.seq, [again])
    watched.look()
    state = watched.state()
    assert state is not None
    assert state["watch"]["window"]["seen"] == 120


def test_the_slices_of_four_workers_come_to_those_of_one(store: Store) -> None:
    watched = Watched(store)
    begun_us = watched.now_us
    watched.minutes((minute_of(at) for at in range(8)), model=V1, writer_id="w1")
    for writer in (3, 1, 0, 2):
        for at in range(writer, 8, 4):
            since_us = begun_us + at * MINUTE_US
            own = Slice(SUPPORT, V2, since_us, since_us + MINUTE_US, minute_of(at))
            drift.hand_over(store, f"x{writer}", at + 1, [own])
    watched.look()
    one, four = watched.state(V1), watched.state(V2)
    assert one is not None
    assert four is not None
    assert one["watch"]["growing"][0]["open"] == four["watch"]["growing"][0]["open"]


def test_the_first_requests_become_the_reference_when_there_are_enough_over_long_enough(watched: Watched) -> None:
    watched.publish(reference_requests=1000, reference_hours=0.25)
    watched.minutes(minute_of(at) for at in range(14))
    assert watched.references() == {}
    watched.minutes(minute_of(20 + at) for at in range(8))
    found = watched.references()
    assert {side: reference.source for side, reference in found.items()} == {
        Side.INPUT: "traffic",
        Side.OUTPUT: "traffic",
    }
    assert found[Side.INPUT].n >= 1000
    watched.minutes(minute_of(50 + at, german=True) for at in range(10))
    assert (V1, "language") in watched.alarms


def test_a_training_set_goes_before_first_requests_and_ends_what_was_growing(watched: Watched) -> None:
    watched.publish(reference_requests=1000, reference_hours=0.25)
    watched.minutes(minute_of(at) for at in range(5))
    watched.teach()
    watched.minutes(minute_of(20 + at) for at in range(5))
    state = watched.state()
    assert state is not None
    assert state["watch"]["growing"] == []
    assert watched.references()[Side.INPUT].source == "training"


def test_a_route_that_is_not_watched_leaves_nothing_waiting(watched: Watched) -> None:
    watched.publish(is_enabled=False)
    watched.minutes([minute_of(1)])
    assert watched.state() is None
    with watched.store.reading() as connection:
        assert drift.waiting(connection, 10) == []


def test_what_another_loop_has_folded_meanwhile_is_not_folded_again(watched: Watched) -> None:
    drift.hand_over(watched.store, "w1", 1, [Slice(SUPPORT, V1, 0, MINUTE_US, minute_of(1))])
    with watched.store.reading() as connection:
        slices = drift.waiting(connection, 10)
        assert drift.are_waiting(connection, slices)
    watched.look()
    with watched.store.reading() as connection:
        assert not drift.are_waiting(connection, slices)


def label(watched: Watched, count: int, first: int, value: float) -> None:
    made_us = watched.now_us - 2 * MINUTE_US
    rows = [
        audit_label(number, request_id=request_id(number), made_us=made_us + number, value=value)
        for number in range(first, first + count)
    ]
    with watched.store.writing() as connection:
        labels.add_labels(connection, rows)


def test_labels_that_are_right_less_often_raise_an_alarm(watched: Watched) -> None:
    watched.now_us += 10 * MINUTE_US
    label(watched, 300, 1, 1.0)
    watched.minutes([minute_of(1)])
    label(watched, 100, 1001, 0.0)
    watched.minutes([minute_of(2)])
    assert (V1, "correct") in watched.alarms


def test_audited_accuracy_is_shown_with_its_interval(watched: Watched) -> None:
    watched.now_us += 10 * MINUTE_US
    label(watched, 300, 1, 1.0)
    watched.minutes([minute_of(1)])
    state = watched.state()
    assert state is not None
    assert state["quality"]["audited"]["accuracy"] == 1.0
    assert state["quality"]["audited"]["lower"] < 1.0
    assert state["quality"]["estimated"] is None  # nothing is calibrated


def test_parted_accuracies_are_a_reason_to_train_again(watched: Watched) -> None:
    watched.minutes([minute_of(1)])
    state = watched.state()
    assert state is not None
    known = {"n": 500, "accuracy": 0.9, "lower": 0.8, "upper": 1.0}
    state["quality"] = {"estimated": known, "audited": known | {"accuracy": 0.7}, "parted_since_us": 7}
    with watched.store.writing() as connection:
        drift.put_state(connection, SUPPORT, V1, 1, state)
        (worse,) = drift_alarms.of_route(connection, SUPPORT).parted
    assert (worse.model, worse.audited, worse.expected, worse.since_us) == (V1, 0.7, 0.9, 7)
