import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from gateway.clock import now_us
from gateway.snapshot.change import SplitChange
from gateway.snapshot.document import Snapshot
from gateway.snapshot.follow import Follower
from gateway.snapshot.kept import FILE_NAME, keep, kept
from gateway.snapshot.publish import Publisher
from gateway.store import workers
from gateway.store.engine import Store, open_store
from gateway.store.migrate import migrate
from routing.words import ModelName
from tests.fakes.databases import PostgresServer, sqlite_url
from tests.fakes.documents import SUPPORT, V1, V2, file_document
from tests.fakes.waiting import wait_until

NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"


class Worker:
    """What a worker does with what it is handed."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.seen: list[Snapshot] = []
        self.notices: list[str] = []

    def take(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)
        self.follower.acknowledge(snapshot.revision)

    @property
    def revisions(self) -> list[int]:
        return [snapshot.revision for snapshot in self.seen]

    def wait_for(self, revision: int) -> None:
        wait_until(lambda: revision in self.revisions, f"revision {revision} is in force")


@contextmanager
def following(
    url: str, state_dir: Path, *, start_timeout_s: float = 2.0, coordination_url: str | None = None
) -> Iterator[Worker]:
    follower = Follower(url, state_dir, "w1", coordination_url, start_timeout_s=start_timeout_s)
    worker = Worker(follower)
    follower.start(worker.take, lambda: worker.notices)
    try:
        yield worker
    finally:
        follower.stop()


def publish(store: Store, share: int) -> Snapshot:
    publisher = Publisher(store)
    published = publisher.publish_file(file_document(), "file")
    if published is not None:
        return published
    split: dict[ModelName, int] = {V1: 10_000 - share, V2: share}
    change = SplitChange(split=split)
    return publisher.change_route(SUPPORT, change, who="ops", reason=None, expected_etag=None).snapshot


def test_a_worker_is_handed_every_change_and_reports_what_it_has(store: Store, store_url: str, tmp_path: Path) -> None:
    publish(store, 0)
    with following(store_url, tmp_path) as worker:
        worker.wait_for(1)
        wait_until(lambda: [w.revision for w in workers.live(store, now_us())] == [1], "revision 1 is reported")
        newest = publish(store, 100)
        worker.wait_for(2)
        wait_until(lambda: [w.revision for w in workers.live(store, now_us())] == [2], "revision 2 is reported")

        (report,) = workers.live(store, now_us())
        assert report.ready
        assert report.loaded_us >= newest.created_us
        assert worker.seen[-1] == newest
    assert workers.live(store, now_us()) == []


def test_a_worker_that_starts_before_the_first_publication_waits_for_it(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    with following(store_url, tmp_path) as worker:
        wait_until(lambda: [w.revision for w in workers.live(store, now_us())] == [0], "the worker reports")
        assert [w.ready for w in workers.live(store, now_us())] == [False]
        publish(store, 0)
        worker.wait_for(1)


def test_a_report_has_the_notices_and_the_readiness_of_the_moment(store: Store, store_url: str, tmp_path: Path) -> None:
    publish(store, 0)
    with following(store_url, tmp_path) as worker:
        worker.wait_for(1)
        worker.notices.append("LARGE_API_KEY is not set")
        worker.follower.set_ready(False)
        wait_until(
            lambda: (
                [(w.ready, w.notices) for w in workers.live(store, now_us())] == [(False, ["LARGE_API_KEY is not set"])]
            ),
            "both are reported",
        )


def test_heartbeats_go_on_while_nothing_changes(store: Store, store_url: str, tmp_path: Path) -> None:
    publish(store, 0)
    with following(store_url, tmp_path) as worker:
        worker.wait_for(1)
        wait_until(lambda: [w.revision for w in workers.live(store, now_us())] == [1], "revision 1 is reported")
        first_us = workers.live(store, now_us())[0].heartbeat_us
        wait_until(lambda: workers.live(store, now_us())[0].heartbeat_us > first_us, "another heartbeat comes")


def test_what_is_in_force_is_kept_for_its_owner_only(store: Store, store_url: str, tmp_path: Path) -> None:
    newest = publish(store, 0)
    with following(store_url, tmp_path / "state") as worker:
        worker.wait_for(1)
        wait_until(lambda: kept(tmp_path / "state") == newest, "the snapshot is kept")
    assert (tmp_path / "state" / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_start_without_the_store_serves_what_was_in_force_last(store: Store, tmp_path: Path) -> None:
    publish(store, 0)
    rolled_back = publish(store, 2_500)
    keep(tmp_path, rolled_back)

    with following(NOBODY, tmp_path, start_timeout_s=0.1) as worker:
        worker.wait_for(2)
        assert worker.seen == [rolled_back]


def test_a_start_without_store_and_state_goes_on_trying(tmp_path: Path) -> None:
    with following(f"sqlite:///{tmp_path}/fallgate.db", tmp_path / "state", start_timeout_s=0.1) as worker:
        store = open_store(sqlite_url(tmp_path))
        publish(store, 0)
        worker.wait_for(1)
        store.close()


def test_a_start_from_what_was_kept_catches_up_when_the_store_returns(tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path))
    keep(tmp_path / "state", publish(store, 0))
    newest = publish(store, 100)
    store.close()
    hidden = store.path.rename(tmp_path / "hidden.db")

    with following(f"sqlite:///{tmp_path}/fallgate.db", tmp_path / "state", start_timeout_s=0.1) as worker:
        worker.wait_for(1)
        hidden.rename(store.path)
        worker.wait_for(2)
        assert worker.seen[-1] == newest


def test_an_outage_of_the_store_is_sat_out(stoppable_postgres: PostgresServer, tmp_path: Path) -> None:
    url = stoppable_postgres.new_database()
    store = open_store(url)
    migrate(store)
    publish(store, 0)
    with following(url, tmp_path) as worker:
        worker.wait_for(1)
        wait_until(lambda: kept(tmp_path) is not None, "the snapshot is kept")
        stoppable_postgres.stop()
        stoppable_postgres.start()
        store.close()
        publish(store, 100)
        worker.wait_for(2)
        assert worker.revisions == [1, 2]
        wait_until(lambda: [w.revision for w in workers.live(store, now_us())] == [2], "revision 2 is reported")
    store.close()


def test_a_worker_never_goes_back(store: Store, store_url: str, tmp_path: Path) -> None:
    """As with a store that was restored from a backup: its next revision is above what the worker has."""
    first = publish(store, 0)
    keep(tmp_path, Snapshot(revision=57, created_us=1, document=first.document))
    with following(NOBODY, tmp_path, start_timeout_s=0.1) as lone:
        lone.wait_for(57)

    with following(store_url, tmp_path) as worker:
        worker.wait_for(1)
        worker.follower.acknowledge(57)
        wait_until(lambda: [w.revision for w in workers.live(store, now_us())] == [57], "revision 57 is reported")
        assert publish(store, 100).revision == 58
        worker.wait_for(58)


def test_what_was_kept_of_another_store_gives_way_to_this_ones_first(tmp_path: Path) -> None:
    """As when a database is made anew beside an old state directory, and its first start is slow."""
    store = open_store(sqlite_url(tmp_path))
    first = publish(store, 0)
    store.close()
    of_old_store = structs.replace(first.document, unit_secret="ab" * 32)
    keep(tmp_path / "state", Snapshot(revision=57, created_us=1, document=of_old_store))
    hidden = store.path.rename(tmp_path / "hidden.db")

    with following(f"sqlite:///{tmp_path}/fallgate.db", tmp_path / "state", start_timeout_s=0.1) as worker:
        worker.wait_for(57)
        hidden.rename(store.path)
        worker.wait_for(1)
        wait_until(lambda: kept(tmp_path / "state") == first, "this store's snapshot is kept")


def test_what_was_kept_is_served_no_later_than_the_start_allows(store: Store, tmp_path: Path) -> None:
    keep(tmp_path, publish(store, 0))
    begun_s = time.monotonic()
    with following(NOBODY, tmp_path, start_timeout_s=1.0) as worker:
        worker.wait_for(1)
        assert time.monotonic() - begun_s < 1.5


def test_a_lagging_worker_does_not_replace_what_was_kept(store: Store, tmp_path: Path) -> None:
    first = publish(store, 0)
    second = publish(store, 100)
    keep(tmp_path, second)
    keep(tmp_path, first)

    assert kept(tmp_path) == second


@pytest.mark.parametrize("content", [b"", b"{}", b'{"revision": 1', b"\xff\xfe"])
def test_a_kept_file_that_is_damaged_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    assert kept(tmp_path) is None


def test_a_follower_listens_to_announcements_as_well(
    valkey_url: str, store: Store, store_url: str, tmp_path: Path
) -> None:
    publish(store, 0)
    publisher = Publisher(store, coordination_url=valkey_url)
    with following(store_url, tmp_path, coordination_url=valkey_url.replace("redis", "valkey")) as worker:
        worker.wait_for(1)
        assert publisher.change_model(V1, False, "ops", None).revision == 2
        worker.wait_for(2)


def test_a_follower_does_without_an_announcer_that_is_down(store: Store, store_url: str, tmp_path: Path) -> None:
    publish(store, 0)
    publisher = Publisher(store, coordination_url="redis://127.0.0.1:1/0")
    with following(store_url, tmp_path, coordination_url="redis://127.0.0.1:1/0") as worker:
        worker.wait_for(1)
        assert publisher.change_model(V1, False, "ops", None).revision == 2
        worker.wait_for(2)
