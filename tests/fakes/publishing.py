"""Publishing to a store in tests, with as few words as possible."""

import pytest

from gateway.snapshot.change import RollBack, SplitChange
from gateway.snapshot.document import RouteEntry
from gateway.snapshot.publish import Published, Publisher
from gateway.store import snapshots
from gateway.store.engine import Store
from routing.words import ModelName, RouteName
from tests.fakes.documents import SUPPORT, file_document

Split = dict[ModelName, int]


def frozen_clock() -> int:
    """One second after 1970."""
    return 1_000_000


@pytest.fixture
def publisher(store: Store) -> Publisher:
    """A publisher to both kinds of store, whose first revision is out."""
    publisher = Publisher(store, frozen_clock)
    publisher.publish_file(file_document(), "file")
    return publisher


def in_force(store: Store, route: RouteName = SUPPORT) -> RouteEntry:
    """What the newest snapshot says of a route."""
    newest = snapshots.latest(store)
    assert newest is not None
    return newest.document.routes[route]


def split_to(publisher: Publisher, split: Split, expected_etag: str | None = None) -> Published:
    """Change the split of `support`."""
    return publisher.change_route(
        SUPPORT, SplitChange(split=split), who="ops", reason="ramp", expected_etag=expected_etag
    )


def roll_back(publisher: Publisher) -> RouteEntry:
    """Roll `support` back once."""
    published = publisher.change_route(SUPPORT, RollBack(), who="ops", reason=None, expected_etag=None)
    return published.snapshot.document.routes[SUPPORT]
