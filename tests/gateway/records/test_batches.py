from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Table, func, select

from gateway.clock import now_us
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry
from gateway.store.engine import Store
from gateway.store.errors import StoreUnavailable
from gateway.store.labels import LabelSource
from gateway.store.tables import attempts, batches, feedback, labels, requests
from tests.fakes.records import attempt_rows, audit_label, audit_outcome, feedback_row, request_id, request_row


class Forgetful(Store):
    """A store whose connection breaks right after it has committed, so that nobody hears of it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.engine)
        self.breaks = True

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with super().writing() as connection:
            yield connection
        if self.breaks:
            raise StoreUnavailable("the connection was lost")


def counts(store: Store, *tables: Table) -> tuple[int, ...]:
    with store.reading() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables or (batches, requests, attempts)
        )


def batch(seq: int, numbers: range) -> Batch:
    return Batch(seq=seq, entries=[(request_row(number), attempt_rows(number)) for number in numbers])


def test_a_batch_whose_fate_was_unclear_is_not_written_twice(store: Store) -> None:
    forgetful = Forgetful(store)
    writer = BatchWriter(forgetful, "w", now_us)
    with pytest.raises(StoreUnavailable):
        writer.write(batch(1, range(5)))

    forgetful.breaks = False
    assert writer.write(batch(1, range(5))) == 0
    assert writer.write(batch(2, range(5, 7))) == 0
    assert counts(store) == (2, 7, 14)
    assert writer.last_seq() == 2


def test_numbers_of_different_writers_do_not_meet(store: Store) -> None:
    for number, name in enumerate(("a", "b")):
        BatchWriter(store, name, now_us).write(batch(1, range(number, number + 1)))

    assert counts(store) == (2, 2, 4)


def test_requests_feedback_and_audits_are_one_batch(store: Store) -> None:
    forgetful = Forgetful(store)
    writer = BatchWriter(forgetful, "w", now_us)
    mixed = Batch(seq=1, entries=[feedback_row(0), (request_row(0), attempt_rows(0)), audit_outcome(0)])
    with pytest.raises(StoreUnavailable):
        writer.write(mixed)

    forgetful.breaks = False
    assert writer.write(mixed) == 0
    assert counts(store, batches, requests, attempts, feedback, labels) == (1, 1, 3, 1, 1)
    with store.reading() as connection:
        assert connection.execute(select(batches.c.requests)).scalar_one() == 1


def test_feedback_waits_and_a_label_is_read_back_as_it_was_put(store: Store) -> None:
    said = feedback_row(0, value='"st\\u0000op"', kind="comment", idempotency_key="a", answer_id="b")
    BatchWriter(store, "w", now_us).write(Batch(seq=1, entries=[said, audit_outcome(0)]))

    with store.reading() as connection:
        assert connection.execute(select(feedback)).one() == (*said, "waiting", None, None, "w", 1)
        assert connection.execute(select(labels)).one() == audit_label(0)


def test_an_audit_completes_the_features_of_its_request_also_in_the_same_batch(store: Store) -> None:
    writer = BatchWriter(store, "w", now_us)
    completed = "[40, -1.0]"
    together: list[Entry] = [audit_outcome(0, whole_features=completed), (request_row(0), attempt_rows(0))]
    writer.write(Batch(seq=1, entries=[*together, (request_row(1), attempt_rows(1)), audit_outcome(1)]))
    writer.write(Batch(seq=2, entries=[(request_row(2), []), audit_outcome(3, whole_features=completed)]))

    with store.reading() as connection:
        query = select(requests.c.request_id, requests.c.whole_features)
        found = {name: features for name, features in connection.execute(query)}
    as_recorded = request_row(0).whole_features
    assert found == {request_id(0): completed, request_id(1): as_recorded, request_id(2): as_recorded}


def test_an_audit_without_a_label_still_leaves_its_attempts_and_its_cost(store: Store) -> None:
    audit = replace(audit_outcome(0), label=None)
    BatchWriter(store, "w", now_us).write(Batch(seq=1, entries=[audit]))

    assert counts(store, attempts, labels) == (1, 0)


def test_an_entry_that_no_database_takes_is_left_out_alone(store: Store) -> None:
    entries: list[Entry] = [
        feedback_row(0, received_us=2**70),
        feedback_row(1, idempotency_key="\ud800"),
        replace(audit_outcome(2), label=audit_label(2, made_us=2**70)),
        replace(audit_outcome(3), label=audit_label(3, route="su\0pport")),
        (request_row(4)._replace(cost_nanousd=2**70), attempt_rows(4)),
    ]
    assert BatchWriter(store, "w", now_us).write(Batch(seq=1, entries=entries)) == 3

    with store.reading() as connection:
        assert connection.execute(select(feedback.c.idempotency_key)).scalars().all() == ["?"]
        assert connection.execute(select(labels.c.request_id, labels.c.route, labels.c.source)).all() == [
            (request_id(3), "support", LabelSource.AUDIT)
        ]
        assert connection.execute(select(attempts.c.request_id)).scalars().all() == [request_id(3)]
