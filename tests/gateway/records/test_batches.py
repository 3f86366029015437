from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, func, select

from gateway.clock import now_us
from gateway.records.batches import Batch, BatchWriter
from gateway.store.engine import Store
from gateway.store.errors import StoreUnavailable
from gateway.store.tables import attempts, batches, requests
from tests.fakes.records import attempt_rows, request_row


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


def counts(store: Store) -> tuple[int, ...]:
    with store.reading() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (batches, requests, attempts)
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
