import pytest
from sqlalchemy import insert, select

from gateway.store import drift
from gateway.store.drift import ALL_ROUTES, Slice, StoredReference, Window
from gateway.store.engine import Store
from gateway.store.tables import drift_slices
from routing.drift.describe import describe_input
from routing.drift.features import Side
from routing.drift.summary import Gatherer, Summary


def summary(*texts: str) -> Summary:
    gatherer = Gatherer()
    for text in texts:
        gatherer.see()
        gatherer.add_input(describe_input(text, 1))
    return gatherer.take()


def a_slice(model: str = "v1", *texts: str) -> Slice:
    return Slice("support", model, 1_000, 2_000, summary(*(texts or ("where is it",))))


def fold_all(store: Store) -> list[drift.StoredSlice]:
    with store.writing() as connection:
        slices = drift.waiting(connection, 100)
        drift.fold(connection, slices, now_us=5)
    return slices


def test_slices_are_kept_until_they_are_folded(store: Store) -> None:
    drift.hand_over(store, "w1", 1, [a_slice("v1"), a_slice("v2", "ordered", "twice")])
    found = fold_all(store)
    assert [(one.writer_id, one.seq, one.slice.model) for one in found] == [("w1", 1, "v1"), ("w1", 1, "v2")]
    assert found[1].slice == a_slice("v2", "ordered", "twice")
    assert fold_all(store) == []


def test_what_is_handed_over_again_counts_once_before_and_after_it_is_folded(store: Store) -> None:
    drift.hand_over(store, "w1", 1, [a_slice()])
    drift.hand_over(store, "w1", 1, [a_slice()])
    assert len(fold_all(store)) == 1
    drift.hand_over(store, "w1", 1, [a_slice()])
    assert fold_all(store) == []
    drift.hand_over(store, "w1", 2, [a_slice()])
    drift.hand_over(store, "w2", 1, [a_slice()])
    assert [(one.writer_id, one.seq) for one in fold_all(store)] == [("w1", 2), ("w2", 1)]


def test_a_limit_never_cuts_a_number_in_two(store: Store) -> None:
    drift.hand_over(store, "w1", 1, [a_slice("v1"), a_slice("v2"), a_slice("v3")])
    drift.hand_over(store, "w1", 2, [a_slice("v1")])
    with store.writing() as connection:
        slices = drift.waiting(connection, 2)
        drift.fold(connection, slices, now_us=5)
    assert sorted(one.slice.model for one in slices) == ["v1", "v2", "v3"]
    assert [one.seq for one in fold_all(store)] == [2]


def test_nothing_handed_over_is_nothing_kept(store: Store) -> None:
    drift.hand_over(store, "w1", 1, [])
    assert fold_all(store) == []


def test_the_last_state_of_an_arm_counts(store: Store) -> None:
    with store.writing() as connection:
        drift.put_state(connection, "support", "v1", 1, {"a": 1})
        drift.put_state(connection, "support", "v1", 2, {"a": 2})
        drift.put_state(connection, "other", "v1", 2, {"a": 3})
        assert drift.states(connection, "support") == {("support", "v1"): {"a": 2}}
        assert len(drift.states(connection)) == 2


def test_windows_come_newest_first_and_go_with_their_time(store: Store) -> None:
    with store.writing() as connection:
        for began_us in (10, 30, 20, 20):
            drift.put_window(connection, Window("support", "v1", began_us, began_us + 5, 7, {"findings": []}))
        assert [window.began_us for window in drift.last_windows(connection, "support", "v1", 2)] == [30, 20]
        drift.expire(connection, 26)
        assert [window.began_us for window in drift.last_windows(connection, "support", "v1", 9)] == [30]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_training_set_goes_before_the_first_requests_of_a_route(store: Store, order: tuple[int, int]) -> None:
    references = [
        StoredReference(
            route=route, model="v1", side=Side.INPUT, source=source, made_us=1, n=2,
            chunks=[summary("a b"), summary("c")], about={"sha256": "12"},
        )
        for route, source in ((ALL_ROUTES, "training"), ("support", "traffic"))
    ]  # fmt: skip
    with store.writing() as connection:
        for at in order:
            drift.put_reference(connection, references[at])
        assert drift.references_of(connection, "support", "v1") == {Side.INPUT: references[0]}
        assert drift.references_of(connection, "support", "v2") == {}


def test_a_try_that_arrives_when_its_slices_are_folded_counts_no_more(store: Store) -> None:
    drift.hand_over(store, "w1", 1, [a_slice()])
    with store.reading() as connection:
        late = {**connection.execute(select(drift_slices)).mappings().one()}
    fold_all(store)
    with store.writing() as connection:  # as of a transaction that hung
        connection.execute(insert(drift_slices), late)
    assert fold_all(store) == []
    drift.hand_over(store, "w1", 2, [a_slice()])
    assert [one.seq for one in fold_all(store)] == [2]
    with store.reading() as connection:
        assert connection.execute(select(drift_slices)).all() == []
