from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import text

from gateway.identity import digest_of
from gateway.store import audit, keys, versions, workers
from gateway.store.engine import Store, open_store
from gateway.store.workers import WorkerReport

WORKER = WorkerReport(
    writer_id="w1",
    host="box",
    pid=7,
    revision=3,
    loaded_us=30_000_000,
    heartbeat_us=40_000_000,
    started_us=20_000_000,
    ready=True,
    notices=["LARGE_API_KEY is not set"],
)


def test_the_last_report_of_a_worker_counts(store: Store) -> None:
    workers.report(store, WORKER)
    workers.report(store, replace(WORKER, revision=4, ready=False, notices=[]))

    assert workers.live(store, now_us=41_000_000) == [replace(WORKER, revision=4, ready=False, notices=[])]


def test_a_worker_that_was_not_heard_of_lately_is_not_live(store: Store) -> None:
    workers.report(store, WORKER)

    assert workers.live(store, now_us=50_000_000) == [WORKER]
    assert workers.live(store, now_us=50_000_001) == []
    assert workers.live(store, now_us=50_000_001, max_age_s=11) == [WORKER]


def test_a_worker_that_ended_is_struck(store: Store) -> None:
    workers.report(store, WORKER)
    workers.forget(store, "w1")

    assert workers.live(store, now_us=41_000_000) == []


def test_a_first_start_makes_one_key_of_each_kind_once(store: Store, store_url: str) -> None:
    def start() -> list[keys.NewKey]:
        own = open_store(store_url)
        made = keys.ensure_keys(own)
        own.close()
        return made

    with ThreadPoolExecutor(4) as pool:
        made = [key for future in [pool.submit(start) for _ in range(4)] for key in future.result()]

    assert [(key.name, key.scopes) for key in made] == [
        ("app", ("inference",)),
        ("ops", ("admin", "metrics")),
        ("tester", ("inference", "test")),
    ]
    assert all(key.secret.startswith("fg_") and len(key.secret) >= 43 for key in made)
    with store.reading() as connection:
        assert [entry.digest for entry in keys.read(connection)] == [digest_of(key.secret.encode()) for key in made]
        everything = str(connection.execute(text("SELECT * FROM keys")).all())
    assert not any(key.secret in everything for key in made)


def test_the_audit_of_a_name_that_no_route_can_have_is_empty(store: Store) -> None:
    assert audit.entries(store, route="sup\0port") == []


def test_a_version_is_known_by_its_lineage(store: Store) -> None:
    lineage = {"version": "v1", "base_model": "smol", "dataset": {"sha256": "ab", "train": 800}, "evaluation": {}}
    versions.record(store, "support-v1", lineage, clock=lambda: 1)
    versions.record(store, "support-v1", lineage, clock=lambda: 2)
    versions.record(store, "other", {"dataset": "unknown"}, clock=lambda: 3)

    other, support = versions.listing(store)
    assert (support.model, support.base_model, support.dataset_sha256) == ("support-v1", "smol", "ab")
    assert (support.lineage, support.registered_us) == (lineage, 1)
    assert (other.base_model, other.dataset_sha256) == (None, None)


def test_a_changed_lineage_is_registered_anew(store: Store) -> None:
    versions.record(store, "v1", {"base_model": "one"}, clock=lambda: 1)
    versions.record(store, "v1", {"base_model": "two"}, clock=lambda: 2)

    (version,) = versions.listing(store)
    assert (version.base_model, version.registered_us) == ("two", 2)
