import pytest

from gateway.snapshot.change import PolicyChange
from gateway.snapshot.errors import (
    NothingToRollBackTo,
    UnknownArm,
)
from gateway.snapshot.publish import Publisher
from gateway.store.engine import Store
from tests.fakes.documents import LARGE, SUPPORT, V1, V2, file_document
from tests.fakes.publishing import in_force, roll_back, split_to


def test_roll_backs_walk_back_one_distinct_split_at_a_time(store: Store, publisher: Publisher) -> None:
    first = in_force(store)
    ten = split_to(publisher, {V1: 9_000, V2: 1_000}).snapshot.document.routes[SUPPORT]
    split_to(publisher, {V1: 9_000, V2: 1_000})
    publisher.change_route(SUPPORT, PolicyChange(fallback_enabled=False), who="ops", reason=None, expected_etag=None)
    all_new = split_to(publisher, {V2: 10_000}).snapshot.document.routes[SUPPORT]
    assert ten.ranges != all_new.ranges

    once = roll_back(publisher)
    assert (once.split, once.ranges, once.salt) == (ten.split, ten.ranges, ten.salt)
    assert once.overlay == ("fallback.enabled", "split")

    twice = roll_back(publisher)
    assert (twice.split, twice.ranges, twice.salt) == (first.split, first.ranges, first.salt)

    with pytest.raises(NothingToRollBackTo, match="'support' has no earlier split"):
        roll_back(publisher)


def test_a_new_split_after_a_roll_back_rolls_back_to_it(publisher: Publisher) -> None:
    split_to(publisher, {V1: 9_000, V2: 1_000})
    split_to(publisher, {V2: 10_000})
    rolled_back = roll_back(publisher)
    split_to(publisher, {V1: 2_000, V2: 8_000})

    again = roll_back(publisher)
    assert (again.split, again.ranges) == (rolled_back.split, rolled_back.ranges)
    assert roll_back(publisher).split == {V1: 5_000, V2: 5_000}


def test_a_roll_back_is_pinned_while_the_file_changes(store: Store, publisher: Publisher) -> None:
    split_to(publisher, {V2: 10_000})
    rolled_back = roll_back(publisher)

    publisher.publish_file(file_document({V1: 0, V2: 10_000}), "file")

    assert (in_force(store).split, in_force(store).ranges) == (rolled_back.split, rolled_back.ranges)


def test_a_change_of_the_file_can_be_rolled_back_too(store: Store, publisher: Publisher) -> None:
    before = in_force(store)
    publisher.publish_file(file_document({V1: 0, V2: 10_000}), "file")

    after = roll_back(publisher)
    assert (after.split, after.ranges) == (before.split, before.ranges)


def test_a_roll_back_to_an_arm_that_is_gone_is_refused(publisher: Publisher) -> None:
    publisher.publish_file(file_document({V2: 10_000}, models=(V2, LARGE)), "file")

    with pytest.raises(UnknownArm, match="cannot go back to revision 1: 'v1' is no longer in models"):
        roll_back(publisher)
