from sqlalchemy import func, select

from gateway.records.batches import Batch, BatchWriter
from gateway.snapshot.publish import Publisher
from gateway.store import drift, snapshots, workers
from gateway.store.engine import Store
from gateway.store.feedback import FeedbackState, Settled, settle
from gateway.store.labels import add_labels
from gateway.store.retention import expire, first_id_at
from gateway.store.spend import Ask, spent, take
from gateway.store.tables import attempts, batches, feedback, labels, requests
from gateway.store.workers import WorkerReport
from routing.words import Purpose
from tests.fakes.documents import file_document
from tests.fakes.records import STARTED_US, attempt_rows, audit_label, feedback_row, request_id, request_row

DAY_US = 86_400_000_000


def fill(store: Store) -> None:
    """Five requests of yesterday and three of today."""
    for seq, (numbers, at_us) in enumerate([(range(5), STARTED_US - DAY_US), (range(5, 8), STARTED_US)], 1):
        entries = [
            (request_row(number, started_us=at_us), attempt_rows(number, started_us=at_us)) for number in numbers
        ]
        BatchWriter(store, "w", lambda at_us=at_us: at_us).write(Batch(seq=seq, entries=entries))  # type: ignore[misc]


def counts(store: Store) -> list[int]:
    with store.reading() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (requests, attempts, batches)
        ]


def test_old_requests_go_a_few_at_a_time(store: Store) -> None:
    fill(store)

    assert expire(store, STARTED_US, limit=3) == 3
    assert counts(store) == [5, 10, 2]
    assert expire(store, STARTED_US, limit=3) == 2
    assert counts(store) == [3, 6, 1]
    assert expire(store, STARTED_US, limit=3) == 0
    assert counts(store) == [3, 6, 1]


def test_labels_and_feedback_go_with_their_requests(store: Store) -> None:
    fill(store)
    old_us = STARTED_US - DAY_US
    old, new = request_id(4, old_us), request_id(5)
    said = [
        feedback_row(number, received_us=at_us)
        for number, at_us in enumerate([STARTED_US, STARTED_US, old_us, STARTED_US])
    ]
    BatchWriter(store, "w", lambda: STARTED_US).write(Batch(seq=3, entries=said))
    with store.writing() as connection:
        add_labels(connection, [audit_label(0, request_id=old), audit_label(0, request_id=new)])
        joined = [
            Settled(
                feedback_id=said[at].feedback_id, state=FeedbackState.JOINED, detail=None, joined_request_id=request
            )
            for at, request in enumerate([old, new])
        ]
        settle(connection, joined)

    expire(store, STARTED_US)
    with store.reading() as connection:
        assert connection.execute(select(labels.c.request_id)).scalars().all() == [new]
        left = connection.execute(select(feedback.c.feedback_id).order_by(feedback.c.feedback_id)).scalars().all()
    assert left == [said[1].feedback_id, said[3].feedback_id]


def test_windows_of_drift_go_with_their_time(store: Store) -> None:
    with store.writing() as connection:
        for ended_us in (1, 100):
            drift.put_window(connection, drift.Window("support", "v1", ended_us - 1, ended_us, 500, {}))
    expire(store, 50)
    with store.reading() as connection:
        assert [window.ended_us for window in drift.last_windows(connection, "support", "v1", 9)] == [100]


def test_the_snapshot_that_was_in_force_stays(store: Store) -> None:
    times_us = [1]
    publisher = Publisher(store, lambda: times_us[0])
    for total_s in (10, 20, 30):
        publisher.publish_file(file_document(total_s=total_s), "file")
        times_us[0] += 10

    expire(store, 15)
    assert [snapshots.at(store, revision) is not None for revision in (1, 2, 3)] == [False, True, True]
    expire(store, 1_000)
    assert [snapshots.at(store, revision) is not None for revision in (1, 2, 3)] == [False, False, True]


def test_workers_that_fell_silent_go(store: Store) -> None:
    for number in range(2):
        workers.report(
            store,
            WorkerReport(
                writer_id=f"w{number}",
                host="h",
                pid=1,
                revision=1,
                loaded_us=1,
                heartbeat_us=number * 100,
                started_us=1,
                ready=True,
            ),
        )
    expire(store, 50)
    assert [worker.writer_id for worker in workers.live(store, now_us=100)] == ["w1"]


def test_what_audits_of_days_long_past_cost_is_forgotten(store: Store) -> None:
    for day in (1, 2):
        take(store, "a", Ask(route="support", purpose=Purpose.AUDIT, day=day, cap=100, committed=0, wanted=7))
    expire(store, 2 * DAY_US)
    assert [spent(store, "support", Purpose.AUDIT, day) for day in (1, 2)] == [0, 7]


def test_the_first_id_of_a_moment_is_below_every_id_of_it() -> None:
    assert request_id(0, STARTED_US - 1_000) < first_id_at(STARTED_US) <= request_id(0, STARTED_US)
