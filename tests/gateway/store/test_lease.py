from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from gateway.store.engine import Store, open_store
from gateway.store.lease import Lease
from tests.fakes.waiting import wait_until


def test_one_of_many_holds_a_lease(store: Store, store_url: str) -> None:
    holders = 6
    together = Barrier(holders)

    def take(holder: str) -> list[bool]:
        own = open_store(store_url)
        lease = Lease(own, "leader", holder)
        together.wait()
        held = [lease.acquire_or_renew() for _ in range(5)]
        own.close()
        return held

    with ThreadPoolExecutor(holders) as pool:
        outcomes = [future.result() for future in [pool.submit(take, f"holder-{n}") for n in range(holders)]]

    assert sorted(outcomes) == [[False] * 5] * (holders - 1) + [[True] * 5]


def test_a_lease_that_is_not_renewed_is_taken_over(store: Store) -> None:
    first = Lease(store, "leader", "first", ttl_s=0.05)
    second = Lease(store, "leader", "second", ttl_s=15)
    assert first.acquire_or_renew()

    wait_until(second.acquire_or_renew, "the first lease has run out")
    assert not first.acquire_or_renew()


def test_a_lease_that_is_renewed_is_kept(store: Store) -> None:
    first = Lease(store, "leader", "first", ttl_s=15)
    second = Lease(store, "leader", "second", ttl_s=15)

    for _ in range(3):
        assert first.acquire_or_renew()
        assert not second.acquire_or_renew()


def test_a_lease_given_up_is_free_at_once(store: Store) -> None:
    first = Lease(store, "leader", "first")
    second = Lease(store, "leader", "second")
    assert first.acquire_or_renew()

    second.release()
    assert not second.acquire_or_renew()
    first.release()
    assert second.acquire_or_renew()


def test_leases_of_different_names_do_not_meet(store: Store) -> None:
    assert Lease(store, "leader", "first").acquire_or_renew()
    assert Lease(store, "other", "second").acquire_or_renew()


def test_on_one_machine_its_clock_decides(sqlite_store: Store) -> None:
    times_us = [1_000_000]
    first = Lease(sqlite_store, "leader", "first", ttl_s=15, clock=lambda: times_us[0])
    second = Lease(sqlite_store, "leader", "second", ttl_s=15, clock=lambda: times_us[0])
    assert first.acquire_or_renew()

    times_us[0] += 14_999_999
    assert not second.acquire_or_renew()
    times_us[0] += 1
    assert second.acquire_or_renew()
