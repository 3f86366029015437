"""Messages to receivers: sent until they are taken, once each, whatever happens in between."""

import json
from collections.abc import Iterator, Mapping

import pytest

from gateway.store import deliveries
from gateway.store.deliveries import DeliveryState
from gateway.store.engine import Store
from gateway.webhooks.sender import DELAYS_S, Sender
from routing.words import ModelName
from serving.webhook_answer import Answer
from tests.fakes.documents import V1, V2
from tests.fakes.retraining import Plant, refusing
from tests.fakes.webhooks import SECRET, Receiver, receiving

HOUR_S = 3600


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def plant(store: Store, receiver: Receiver) -> Plant:
    """A version that is due for its age, and nobody has been told yet."""
    found = Plant(store, receiver.url)
    found.grow_old()
    return found


def test_a_cause_is_told_once_and_its_signature_verifies(plant: Plant, receiver: Receiver) -> None:
    for _ in range(5):
        plant.look(after_s=60)
    [told] = receiver.told
    assert told.is_genuine(plant.now_us / 1e6)
    assert [one.state for one in plant.deliveries] == [DeliveryState.DELIVERED]
    body = json.loads(told.body)
    assert (body["type"], body["data"]["route"], body["data"]["reason"]) == (
        "route.retraining_due",
        "support",
        "cadence",
    )
    assert body["data"]["train_on"]["labels"] == {"audit": 500}


def test_a_failure_is_retried_with_the_same_id_and_body_and_another_time(plant: Plant, receiver: Receiver) -> None:
    receiver.statuses[:] = [500, 503]
    plant.look()
    plant.look(after_s=4)
    assert len(receiver.told) == 1
    plant.look(after_s=2)
    plant.look(after_s=301)
    assert [one.id for one in receiver.told] == [receiver.told[0].id] * 3
    assert len({one.body for one in receiver.told}) == 1
    assert len({one.headers["webhook-timestamp"] for one in receiver.told}) == 3
    assert receiver.told[-1].is_genuine(plant.now_us / 1e6)
    assert not receiver.told[0].is_genuine(plant.now_us / 1e6)  # who kept it and sends it again is told by its age
    [found] = plant.deliveries
    assert (found.state, found.attempts, found.status, found.error) == (DeliveryState.DELIVERED, 3, 204, None)


def test_what_was_taken_is_not_sent_again_after_a_restart(plant: Plant, receiver: Receiver) -> None:
    plant.look()
    plant.restart()
    for _ in range(3):
        plant.look(after_s=24 * HOUR_S)
    assert len(receiver.told) == 1


def test_what_waits_survives_a_restart(plant: Plant, receiver: Receiver) -> None:
    receiver.statuses[:] = [500]
    plant.look()
    plant.restart()
    plant.look(after_s=6)
    assert [one.id for one in receiver.told] == [receiver.told[0].id] * 2


def test_a_crash_in_the_middle_of_an_attempt_leaves_a_message_that_is_tried_again(
    plant: Plant, receiver: Receiver
) -> None:
    class Crash(Exception):
        """The process is gone."""

    def crash(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        raise Crash

    plant.sender = Sender(plant.store, {"HOOK_SECRET": SECRET}, plant.clock, crash)
    with pytest.raises(Crash):
        plant.look()
    plant.restart()
    plant.look()
    assert receiver.told == []
    plant.look(after_s=6)
    assert len(receiver.told) == 1


def test_of_two_holders_at_the_same_moment_one_sends(plant: Plant, receiver: Receiver) -> None:
    plant.loop.run()
    with plant.store.reading() as connection:
        seen = deliveries.waiting(connection, plant.now_us, limit=1)[0]
    other = Plant(plant.store, receiver.url, plant.now_us)
    other.sender.run()
    with plant.store.writing() as connection:
        assert not deliveries.claim(connection, seen, next_us=plant.now_us)
    assert len(receiver.told) == 1


def test_a_dead_receiver_is_given_up_after_three_days_and_hurts_nothing(plant: Plant) -> None:
    plant.sender = Sender(plant.store, {"HOOK_SECRET": SECRET}, plant.clock, refusing)
    plant.look()
    begun_us = plant.now_us
    while plant.deliveries[0].state is DeliveryState.WAITING:
        plant.now_us = plant.deliveries[0].next_us
        plant.look()
    [found] = plant.deliveries
    assert (found.state, found.attempts) == (DeliveryState.FAILED, len(DELAYS_S) + 1)
    assert found.error == "hooks.example.com did not answer in time"
    assert 3 * 24 * HOUR_S < (plant.now_us - begun_us) / 1e6 < 4 * 24 * HOUR_S


def test_a_receiver_that_is_gone_for_good_is_left_in_peace(plant: Plant, receiver: Receiver) -> None:
    receiver.statuses[:] = [410]
    plant.look()
    plant.look(after_s=24 * HOUR_S)
    assert len(receiver.told) == 1
    assert plant.deliveries[0].state is DeliveryState.FAILED


def test_what_is_over_is_told_nobody(plant: Plant, receiver: Receiver) -> None:
    receiver.statuses[:] = [500]
    plant.look()
    plant.publish(split={V1: 0, V2: 10_000})
    plant.register(V2, "2026-12-20")
    plant.look(after_s=6)
    assert len(receiver.told) == 1
    [found] = plant.deliveries
    assert (found.state, found.error) == (DeliveryState.WITHDRAWN, "what it was about is over")


def test_a_webhook_that_was_taken_out_of_the_file_is_told_nothing_more(plant: Plant, receiver: Receiver) -> None:
    receiver.statuses[:] = [500]
    plant.look()
    plant.publish(url=None)
    plant.look(after_s=6)
    assert len(receiver.told) == 1
    assert plant.deliveries[0].error == "the route has no webhook any more"


def test_a_secret_that_the_environment_lacks_is_named_and_never_shown(plant: Plant, receiver: Receiver) -> None:
    plant.sender = Sender(plant.store, {}, plant.clock)
    plant.look()
    [found] = plant.deliveries
    assert found.state is DeliveryState.WAITING
    assert found.error == ("routes.support.retrain.webhook.secret: the environment variable HOOK_SECRET is not set")
    assert receiver.told == []


def test_a_receiver_that_is_named_later_is_told_of_what_is_due_already(store: Store, receiver: Receiver) -> None:
    plant = Plant(store)
    plant.grow_old()
    plant.look()
    assert plant.deliveries == []
    plant.url = receiver.url
    plant.publish()
    plant.look(after_s=60)
    assert len(receiver.told) == 1


def test_a_message_tells_counts_and_names_and_fits_into_what_receivers_take(plant: Plant, receiver: Receiver) -> None:
    plant.look()
    [told] = receiver.told
    assert len(told.body) < 20_000
    assert ModelName("v1") in json.loads(told.body)["data"]["sentence"]
    assert "." not in told.id
