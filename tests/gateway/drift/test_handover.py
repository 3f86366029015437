"""From a worker's counts to the store: each request once, whatever the store does."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import cast

import pytest
from sqlalchemy import Connection

from gateway.drift.collector import Arm, Collector, Gathered
from gateway.drift.handover import HandOver
from gateway.store import drift
from gateway.store.engine import Store, open_store
from gateway.store.errors import StoreUnavailable
from gateway.store.tables import drift_slices
from routing.drift.counters import WORD_BINS
from routing.drift.describe import describe_input
from routing.drift.summary import Gatherer, total_of
from routing.words import ModelName, RouteName
from tests.fakes.databases import PostgresServer
from tests.fakes.waiting import wait_until

V1: Arm = RouteName("support"), ModelName("v1")
V2: Arm = RouteName("support"), ModelName("v2")


class Counted:
    """A collector that is told what it has counted."""

    def __init__(self) -> None:
        self._arms: dict[Arm, Gatherer] = {}
        self._moments = count(1)

    def count(self, arm: Arm, *texts: str) -> None:
        """These requests have ended."""
        gatherer = self._arms.setdefault(arm, Gatherer())
        for text in texts:
            gatherer.see()
            gatherer.add_input(describe_input(text, 1))

    def gathered(self) -> Gathered:
        """As a collector does."""
        arms, self._arms = self._arms, {}
        now_us = next(self._moments)
        return Gathered(now_us - 1, now_us, arms)


class Moody(Store):
    """A store that may be away, or so slow that nobody waits for what it does in the end."""

    is_away = False
    is_slow = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.is_away:
            raise StoreUnavailable("away")
        with super().writing() as connection:
            yield connection
        if self.is_slow:
            raise StoreUnavailable("it took too long, and is done")


@pytest.fixture
def moody(sqlite_store: Store) -> Moody:
    return Moody(sqlite_store.engine)


def over(store: Store, counted: Counted) -> HandOver:
    return HandOver(store, "w1", cast(Collector, counted))  # which has what is needed of one


def stored(store: Store) -> list[drift.StoredSlice]:
    with store.reading() as connection:
        return drift.waiting(connection, 1000)


def seen(store: Store) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, _, one in stored(store):
        found[one.model] = found.get(one.model, 0) + one.summary.seen
    return found


def test_what_was_counted_is_a_slice_of_each_arm(store: Store) -> None:
    counted = Counted()
    handing = over(store, counted)
    counted.count(V1, "where is it", "and this")
    counted.count(V2, "hello")
    assert handing.hand_over()
    counted.count(V1, "again")
    assert handing.hand_over()
    assert handing.hand_over()  # nothing
    slices = stored(store)
    assert [(one.seq, one.slice.model, one.slice.summary.seen) for one in slices] == [
        (1, "v1", 2),
        (1, "v2", 1),
        (2, "v1", 1),
    ]
    assert [(one.slice.began_us, one.slice.ended_us) for one in slices] == [(0, 1), (0, 1), (1, 2)]
    assert handing.waiting == 0


def test_while_the_store_is_away_slices_are_joined_and_nothing_is_lost(moody: Moody) -> None:
    counted = Counted()
    handing = over(moody, counted)
    moody.is_away = True
    for number in range(50):
        counted.count(V1, f"request {number}")
        assert not handing.hand_over()
    assert handing.waiting == 50
    moody.is_away = False
    assert handing.hand_over()
    first, second = stored(moody)  # one that was offered, and one that waited behind it
    assert (first.slice.summary.seen, second.slice.summary.seen) == (1, 49)
    assert (second.slice.began_us, second.slice.ended_us) == (1, 50)


def test_what_a_slow_store_has_kept_all_the_same_counts_once(moody: Moody) -> None:
    counted = Counted()
    handing = over(moody, counted)
    moody.is_slow = True
    for number in range(5):
        counted.count(V1, f"request {number}")
        assert not handing.hand_over()
    assert seen(moody) == {"v1": 1}
    moody.is_slow = False
    assert handing.hand_over()
    assert seen(moody) == {"v1": 5}
    assert [one.seq for one in stored(moody)] == [1, 2]


def test_what_a_slow_store_has_kept_and_the_loop_has_folded_counts_once(moody: Moody, sqlite_store: Store) -> None:
    counted = Counted()
    handing = over(moody, counted)
    moody.is_slow = True
    counted.count(V1, "request")
    assert not handing.hand_over()
    with sqlite_store.writing() as connection:
        drift.fold(connection, drift.waiting(connection, 10), now_us=1)
    moody.is_slow = False
    assert handing.hand_over()
    assert stored(moody) == []


def test_memory_does_not_grow_while_the_store_is_away_and_traffic_is_ever_new(moody: Moody) -> None:
    counted = Counted()
    handing = over(moody, counted)
    moody.is_away = True
    for number in range(60):
        counted.count(V1, *(f"{chr(0x4E00 + number)}{chr(0x5E00 + at)}{chr(0x6E00 + at)} n{at:x}" for at in range(40)))
        handing.hand_over()
    moody.is_away = False
    assert handing.hand_over()
    for one in stored(moody):
        assert len(one.slice.summary.top_grams) <= 1024
        assert len(one.slice.summary.templates) <= 256
        assert len(one.slice.summary.words) <= WORD_BINS
    assert seen(moody) == {"v1": 2400}


def test_a_slice_of_the_requests_of_five_seconds_is_small(store: Store) -> None:
    counted = Counted()
    counted.count(
        V1, *(f"ticket {number}: where is my order {number * 7}, it was to be here by now" for number in range(250))
    )
    over(store, counted).hand_over()
    with store.reading() as connection:
        (size,) = [len(row.body) for row in connection.execute(drift_slices.select())]
    assert size < 8_000


def test_four_workers_hand_over_what_one_would(store: Store) -> None:
    texts = [f"text of request {number} has {number % 7} words or more" for number in range(40)]
    for worker in range(4):
        counted = Counted()
        counted.count(V1, *texts[worker::4])
        HandOver(store, f"w{worker}", cast(Collector, counted)).hand_over()
    one = Gatherer()
    for text in texts:
        one.see()
        one.add_input(describe_input(text, 1))
    assert total_of(found.slice.summary for found in stored(store)) == one.take()


def test_the_thread_hands_over_now_and_then_and_all_at_the_end(store: Store, store_url: str) -> None:
    counted = Counted()
    handing = HandOver(open_store(store_url), "w1", cast(Collector, counted), every_s=0.01)
    handing.start()
    counted.count(V1, "one")
    wait_until(lambda: seen(store) == {"v1": 1}, "it is handed over")
    handing.end(5)
    handing.join()
    assert handing.waiting == 0


def test_what_is_left_is_handed_over_at_the_end(store: Store, store_url: str) -> None:
    counted = Counted()
    handing = HandOver(open_store(store_url), "w1", cast(Collector, counted))
    handing.start()
    counted.count(V1, "one", "two")
    handing.end(5)
    handing.join()
    assert seen(store) == {"v1": 2}


def test_what_could_not_be_handed_over_at_the_end_is_said(moody: Moody, caplog: pytest.LogCaptureFixture) -> None:
    counted = Counted()
    handing = over(moody, counted)
    moody.is_away = True
    handing.start()
    counted.count(V1, "one", "two")
    handing.end(0.2)
    handing.join()
    assert "what drift has counted of 2 requests is lost" in caplog.text


def test_a_server_that_goes_and_comes_back_has_all(stoppable_postgres: PostgresServer, migrated_postgres: str) -> None:
    store = open_store(migrated_postgres)
    with store.writing() as connection:
        connection.execute(drift_slices.delete())
    counted = Counted()
    handing = HandOver(store, "w-of-outage", cast(Collector, counted))
    counted.count(V1, "one")
    assert handing.hand_over()
    stoppable_postgres.stop()
    counted.count(V1, "two")
    assert not handing.hand_over()
    counted.count(V1, "three")
    assert not handing.hand_over()
    stoppable_postgres.start()
    wait_until(handing.hand_over, "the server takes them")
    assert seen(store) == {"v1": 3}
    store.close()
