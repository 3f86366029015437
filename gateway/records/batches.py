"""Write a batch of records exactly once, whatever happens to the connection meanwhile."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from gateway.clock import Clock
from gateway.records.insert import attempt_inserter, mended, request_inserter
from gateway.records.rows import AttemptRow, Entry, RequestRow
from gateway.store.engine import Store
from gateway.store.tables import batches

log = logging.getLogger(__name__)

_UNFIT = (DataError, IntegrityError, InterfaceError, ProgrammingError, OverflowError, TypeError, ValueError)
"""What says that a value, and not the store, is at fault: trying again would change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Requests that are written together; `seq` stays with them however often it takes."""

    seq: int
    entries: Sequence[Entry]


class BatchWriter:
    """Writes the batches of one writer. Each has its number, so one whose fate was unclear is safe to write again."""

    def __init__(self, store: Store, writer_id: str, clock: Clock) -> None:
        self._store = store
        self._writer_id = writer_id
        self._clock = clock
        self._requests = request_inserter(is_postgres=store.is_postgres)
        self._attempts = attempt_inserter(is_postgres=store.is_postgres)

    def last_seq(self) -> int:
        """The number of the last batch that this writer has in the store; 0 where it has none."""
        query = select(func.max(batches.c.seq)).where(batches.c.writer_id == self._writer_id)
        with self._store.reading() as connection:
            return connection.execute(query).scalar() or 0

    def write(self, batch: Batch) -> int:
        """Make a batch durable, unless it is already.

        Returns:
            How many of its requests no database would take; they are left out.

        Raises:
            StoreUnavailable: it is not known to be written; write it again.
        """
        try:
            with self._store.writing() as connection:
                if self._is_new(connection, batch):
                    self._insert(connection, batch.seq, batch.entries)
        except _UNFIT as error:
            log.warning("a record holds a value that cannot be stored (%s); writing its batch row by row", error)
            return self._write_what_fits(batch)
        return 0

    def _is_new(self, connection: Connection, batch: Batch) -> bool:
        """Take the number, unless an earlier try that seemed to fail has it already."""
        mine = (batches.c.writer_id == self._writer_id) & (batches.c.seq == batch.seq)
        if connection.execute(select(batches.c.seq).where(mine)).first() is not None:
            return False
        row = {"writer_id": self._writer_id, "seq": batch.seq, "requests": len(batch.entries)}
        connection.execute(insert(batches), {**row, "written_us": self._clock()})
        return True

    def _insert(self, connection: Connection, seq: int, entries: Sequence[Entry]) -> None:
        mark = (self._writer_id, seq)
        self._requests.insert(connection, [row + mark for row, _ in entries])
        self._attempts.insert(connection, [attempt for _, attempts in entries for attempt in attempts])

    def _write_what_fits(self, batch: Batch) -> int:
        left_out = 0
        with self._store.writing() as connection:
            if not self._is_new(connection, batch):
                return 0
            for row, attempts in batch.entries:
                fit = RequestRow(*mended(row)), [AttemptRow(*mended(attempt)) for attempt in attempts]
                try:
                    with connection.begin_nested():
                        self._insert(connection, batch.seq, [fit])
                except _UNFIT:
                    left_out += 1
        return left_out
