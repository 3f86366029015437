"""Splits, roll-backs, clears and new files in any order, against a model that is a stack."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.snapshot.change import ClearOverlay, RollBack, RouteChange, SplitChange
from gateway.snapshot.document import RouteEntry
from gateway.snapshot.errors import NothingToRollBackTo
from gateway.snapshot.publish import Publisher
from gateway.store import snapshots
from gateway.store.engine import Store, open_store
from routing.assignment.ranges import Ranges, check_cover, shares
from routing.words import ModelName
from tests.fakes.databases import sqlite_url
from tests.fakes.documents import SUPPORT, V1, V2, file_document

SHARES = st.sampled_from([0, 500, 2_500, 5_000, 10_000])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("split"), SHARES),
        st.tuples(st.just("file"), SHARES),
        st.tuples(st.just("clear"), st.none()),
        st.tuples(st.just("rollback"), st.none()),
        st.tuples(st.just("rollback"), st.none()),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("template")
    sqlite_url(directory)
    return directory / "fallgate.db"


class Walk:
    """The splits that were in force, oldest first; a roll-back leaves the newest ones that are all alike."""

    def __init__(self, first: RouteEntry) -> None:
        self.stack: list[tuple[int, Ranges]] = [self._of(first)]

    @staticmethod
    def _of(entry: RouteEntry) -> tuple[int, Ranges]:
        return shares(entry.ranges).get(V2, 0), entry.ranges

    def note(self, entry: RouteEntry) -> None:
        if self._of(entry) != self.stack[-1]:
            self.stack.append(self._of(entry))

    def roll_back(self) -> tuple[int, Ranges] | None:
        earlier = list(self.stack)
        while earlier and earlier[-1][0] == self.stack[-1][0]:
            earlier.pop()
        if not earlier:
            return None
        self.stack = earlier
        return earlier[-1]


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_roll_backs_retrace_the_way_whatever_came_between(template: Path, steps: list[tuple[str, int | None]]) -> None:
    with TemporaryDirectory() as directory:
        shutil.copy(template, Path(directory) / "fallgate.db")
        store = open_store(f"sqlite:///{directory}/fallgate.db")
        publisher = Publisher(store)
        publisher.publish_file(file_document(), "file")
        walk = Walk(in_force(store))
        for kind, share in steps:
            take(store, publisher, walk, kind, share)
        store.close()


def take(store: Store, publisher: Publisher, walk: Walk, kind: str, share: int | None) -> None:
    if kind == "rollback":
        expected = walk.roll_back()
        if expected is None:
            with pytest.raises(NothingToRollBackTo):
                change(publisher, RollBack())
            return
        entry = change(publisher, RollBack())
        assert (shares(entry.ranges).get(V2, 0), entry.ranges) == expected
    elif kind == "file":
        publisher.publish_file(file_document({V1: 10_000 - (share or 0), V2: share or 0}), "file")
        walk.note(in_force(store))
    else:
        entry = change(publisher, ClearOverlay() if share is None else SplitChange(split=split_of(share)))
        walk.note(entry)
    check_cover(in_force(store).ranges)


def split_of(share: int) -> dict[ModelName, int]:
    return {V1: 10_000 - share, V2: share}


def change(publisher: Publisher, what: RouteChange) -> RouteEntry:
    published = publisher.change_route(SUPPORT, what, who="ops", reason=None, expected_etag=None)
    return published.snapshot.document.routes[SUPPORT]


def in_force(store: Store) -> RouteEntry:
    newest = snapshots.latest(store)
    assert newest is not None
    return newest.document.routes[SUPPORT]
