from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from sqlalchemy import insert

from gateway.store.engine import Store, open_store
from gateway.store.labels import AUDIT_AGREEMENT, LabelSource
from gateway.store.spend import Ask, spent, take
from gateway.store.tables import labels
from routing.words import ModelName, Purpose

V1, V2 = ModelName("v1"), ModelName("v2")


def ask(
    wanted: int,
    *,
    committed: int = 0,
    cap: int = 100,
    day: int = 1,
    route: str = "support",
    purpose: Purpose = Purpose.AUDIT,
) -> Ask:
    return Ask(route=route, purpose=purpose, day=day, cap=cap, committed=committed, wanted=wanted)


def test_what_is_granted_is_taken_from_what_is_left(store: Store) -> None:
    assert take(store, "a", ask(60)).granted == 60
    second = take(store, "b", ask(60))
    assert (second.granted, second.others) == (40, 60)
    assert take(store, "c", ask(1)).granted == 0
    assert spent(store, "support", Purpose.AUDIT, 1) == 100


def test_what_is_not_wanted_any_more_is_there_for_others(store: Store) -> None:
    assert take(store, "a", ask(100)).granted == 100
    assert take(store, "a", ask(10, committed=10)).granted == 10
    assert take(store, "b", ask(100)).granted == 90


def test_what_is_committed_stands_even_above_the_cap(store: Store) -> None:
    assert take(store, "a", ask(150, committed=120)).granted == 120
    assert take(store, "b", ask(10)).granted == 0
    assert spent(store, "support", Purpose.AUDIT, 1) == 120


def test_audits_and_shadows_do_not_meet(store: Store) -> None:
    assert take(store, "a", ask(100)).granted == 100
    other = take(store, "a", ask(70, purpose=Purpose.SHADOW))
    assert (other.granted, other.others) == (70, 0)
    assert [spent(store, "support", purpose, 1) for purpose in (Purpose.AUDIT, Purpose.SHADOW)] == [100, 70]


def test_routes_and_days_do_not_meet(store: Store) -> None:
    assert take(store, "a", ask(100)).granted == 100
    assert take(store, "a", ask(100, day=2)).granted == 100
    assert take(store, "a", ask(100, route="other")).granted == 100
    assert (spent(store, "support", Purpose.AUDIT, 1), spent(store, "support", Purpose.AUDIT, 3)) == (100, 0)


def test_many_at_once_take_no_more_than_there_is(store: Store, store_url: str) -> None:
    workers = 6
    together = Barrier(workers)

    def take_often(writer_id: str) -> int:
        own = open_store(store_url)
        together.wait()
        granted = [take(own, writer_id, ask(wanted)).granted for wanted in range(10, 40)]
        own.close()
        return granted[-1]

    with ThreadPoolExecutor(workers) as pool:
        granted = [future.result() for future in [pool.submit(take_often, f"w{n}") for n in range(workers)]]

    assert sum(granted) == spent(store, "support", Purpose.AUDIT, 1) == 100


def test_labels_of_audits_are_counted_as_far_as_they_matter(store: Store) -> None:
    def label(number: int, **changes: object) -> dict[str, object]:
        row = {"request_id": f"id-{number}", "metric": AUDIT_AGREEMENT, "source": LabelSource.AUDIT.value}
        more = {"route": "support", "model": V1, "value": 1.0, "propensity": 0.5, "is_weighed": True, "made_us": 1}
        return {**row, **more, **changes}

    rows = [label(number) for number in range(7)]
    rows += [label(10, model=V2), label(11, source="feedback"), label(12, route="other")]
    with store.writing() as connection:
        connection.execute(insert(labels), rows)

    def counted(enough: int) -> dict[ModelName, int]:
        asked = replace(ask(0, cap=1), arms=(V1, V2), enough_labels=enough)
        return dict(take(store, "a", asked).labels)

    assert counted(300) == {V1: 7, V2: 1}
    assert counted(5) == {V1: 5, V2: 1}
