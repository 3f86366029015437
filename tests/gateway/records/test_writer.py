from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Table, func, select

from gateway.records.rows import AttemptRow, FeedbackRow, LabelRow, RequestRow
from gateway.records.writer import RecordWriter
from gateway.store.engine import Store, open_store
from gateway.store.migrate import migrate
from gateway.store.tables import attempts, batches, feedback, labels, requests
from tests.fakes.databases import PostgresServer, sqlite_url
from tests.fakes.records import attempt_rows, audit_outcome, feedback_row, request_id, request_row
from tests.fakes.waiting import wait_until


@contextmanager
def running(url: str, *, max_queued: int = 50_000, stop_s: float = 10) -> Iterator[RecordWriter]:
    writer = RecordWriter(url, "writer-1", max_queued)
    try:
        yield writer
    finally:
        writer.stop(stop_s)


def put(writer: RecordWriter, numbers: range) -> None:
    for number in numbers:
        writer.put(request_row(number), attempt_rows(number))


def put_all_kinds(writer: RecordWriter, numbers: range) -> None:
    for number in numbers:
        assert writer.put_feedback(feedback_row(number))
        writer.put(request_row(number), attempt_rows(number))
        writer.put_later(audit_outcome(number))


def written(store: Store, table: Table = requests) -> int:
    with store.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_rows_have_the_columns_of_the_tables_in_their_order() -> None:
    assert [*RequestRow._fields, "writer_id", "seq"] == list(requests.columns.keys())
    assert list(AttemptRow._fields) == list(attempts.columns.keys())
    assert list(LabelRow._fields) == list(labels.columns.keys())
    more = ["state", "detail", "joined_request_id", "writer_id", "seq"]
    assert [*FeedbackRow._fields, *more] == list(feedback.columns.keys())


def test_a_record_is_read_back_as_it_was_put(store: Store, store_url: str) -> None:
    with running(store_url) as writer:
        put(writer, range(1))
        wait_until(lambda: writer.queued == 0, "the record is written")

    with store.reading() as connection:
        assert connection.execute(select(requests)).one() == (*request_row(0), "writer-1", 1)
        rows = connection.execute(select(attempts).order_by(attempts.c.number))
        assert [AttemptRow(*row) for row in rows] == attempt_rows(0)


@pytest.mark.parametrize("count", [1, 9, 10, 111, 2345])
def test_every_record_is_written_once_however_many_there_are(store: Store, store_url: str, count: int) -> None:
    with running(store_url) as writer:
        put(writer, range(count))
        wait_until(lambda: writer.queued == 0, "all are written")
        assert writer.dropped == 0

    with store.reading() as connection:
        ids = connection.execute(select(requests.c.request_id).order_by(requests.c.request_id)).scalars().all()
        assert ids == [request_id(number) for number in range(count)]
        assert connection.execute(select(func.count()).select_from(attempts)).scalar_one() == 2 * count
        counted = connection.execute(select(batches.c.seq, batches.c.requests).order_by(batches.c.seq)).all()
    assert sum(requests_ for _, requests_ in counted) == count
    assert [seq for seq, _ in counted] == list(range(1, len(counted) + 1))


def test_stopping_writes_what_is_queued(store: Store, store_url: str) -> None:
    writer = RecordWriter(store_url, "writer-1")
    put(writer, range(1500))
    writer.stop(20)

    assert written(store) == 1500
    assert (writer.queued, writer.dropped) == (0, 0)


def test_a_writer_goes_on_with_the_numbers_it_had(store: Store, store_url: str) -> None:
    for number in range(2):
        writer = RecordWriter(store_url, "writer-1")
        put(writer, range(number, number + 1))
        writer.stop(20)

    assert written(store) == 2


def test_what_an_upstream_wrote_cannot_hinder_the_others(store: Store, store_url: str) -> None:
    with running(store_url) as writer:
        writer.put(request_row(1, finish_reason="st\0op"), attempt_rows(1))
        writer.put(request_row(2, finish_reason="\ud800"), attempt_rows(2))
        writer.put(request_row(3), attempt_rows(3))
        wait_until(lambda: writer.queued == 0, "all are written")
        assert writer.dropped == 0

    with store.reading() as connection:
        reasons = connection.execute(select(requests.c.finish_reason).order_by(requests.c.request_id)).scalars().all()
    assert reasons == ["stop", "?", "stop"]


def test_a_record_that_no_database_takes_is_dropped_alone(store: Store, store_url: str) -> None:
    too_large = request_row(2)._replace(cost_nanousd=2**70)
    with running(store_url) as writer:
        writer.put(request_row(1), attempt_rows(1))
        writer.put(too_large, attempt_rows(2))
        writer.put(request_row(3), attempt_rows(3))
        wait_until(lambda: writer.queued == 0, "the others are written")
        assert writer.dropped == 1

    with store.reading() as connection:
        ids = connection.execute(select(requests.c.request_id).order_by(requests.c.request_id)).scalars().all()
        assert ids == [request_id(1), request_id(3)]
        assert connection.execute(select(func.count()).select_from(attempts)).scalar_one() == 4


def test_a_record_that_is_there_already_is_left_as_it_is(store: Store, store_url: str) -> None:
    with running(store_url) as writer:
        put(writer, range(1))
        wait_until(lambda: writer.queued == 0, "the record is written")
        put(writer, range(2))
        wait_until(lambda: writer.queued == 0, "the other is written too")

    assert written(store) == 2


def test_with_the_store_down_the_queue_is_bounded_and_counted() -> None:
    with running("postgresql://nobody@127.0.0.1:1/nothing", max_queued=100, stop_s=0) as writer:
        put(writer, range(1000))
        assert writer.queued <= 200
        assert writer.queued + writer.dropped == 1000
    assert (writer.queued, writer.dropped) == (0, 1000)


def test_without_room_feedback_is_not_taken_and_an_audit_is_counted_as_lost() -> None:
    with running("postgresql://nobody@127.0.0.1:1/nothing", max_queued=3, stop_s=0) as writer:
        wait_until(lambda: not writer.put_feedback(feedback_row(1)), "there is no room")
        assert writer.dropped == 0
        writer.put_later(audit_outcome(1))
        writer.put_later(audit_outcome(2))
        assert writer.dropped == 2


def test_all_kinds_are_written_once_with_the_store_away_meanwhile(stoppable_postgres: PostgresServer) -> None:
    url = stoppable_postgres.new_database()
    store = open_store(url)
    migrate(store)
    store.close()
    with running(url) as writer:
        put_all_kinds(writer, range(50))
        wait_until(lambda: writer.queued == 0, "the first are written")
        put_all_kinds(writer, range(50, 600))
        stoppable_postgres.stop()
        put_all_kinds(writer, range(600, 1000))
        assert writer.queued > 0
        stoppable_postgres.start()
        wait_until(lambda: writer.queued == 0, "the rest is written")
        assert writer.dropped == 0
    assert [written(store, table) for table in (requests, feedback, labels, attempts)] == [1000, 1000, 1000, 3000]
    store.close()


def test_records_wait_for_a_store_that_is_made_later(tmp_path: Path) -> None:
    with running(f"sqlite:///{tmp_path}/fallgate.db") as writer:
        put(writer, range(10))
        store = open_store(sqlite_url(tmp_path))
        wait_until(lambda: writer.queued == 0, "the records are written")
    assert written(store) == 10
    store.close()


def test_an_outage_of_the_database_loses_nothing_and_doubles_nothing(stoppable_postgres: PostgresServer) -> None:
    url = stoppable_postgres.new_database()
    store = open_store(url)
    migrate(store)
    store.close()
    with running(url) as writer:
        put(writer, range(100))
        wait_until(lambda: writer.queued == 0, "the first are written")
        put(writer, range(100, 3000))
        stoppable_postgres.stop()
        put(writer, range(3000, 5000))
        assert writer.queued > 0
        stoppable_postgres.start()
        wait_until(lambda: writer.queued == 0, "the rest is written")
        assert writer.dropped == 0
    assert written(store) == 5000
    store.close()
