"""Write a batch of what the data plane leaves exactly once, whatever happens to the connection meanwhile."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, bindparam, func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from gateway.clock import Clock
from gateway.records.insert import (
    Row,
    attempt_inserter,
    feedback_inserter,
    label_inserter,
    mark_inserter,
    mended,
    request_inserter,
    shadow_inserter,
)
from gateway.records.rows import (
    AttemptRow,
    AuditOutcome,
    Entry,
    FeedbackRow,
    LabelRow,
    RequestRow,
    ShadowOutcome,
    ShadowRow,
)
from gateway.store.engine import Store
from gateway.store.feedback import FeedbackState
from gateway.store.tables import batches

log = logging.getLogger(__name__)

_UNFIT = (DataError, IntegrityError, InterfaceError, ProgrammingError, OverflowError, TypeError, ValueError)
"""What says that a value, and not the store, is at fault: trying again would change nothing."""

_WAITING = (FeedbackState.WAITING.value, None, None)
"""State, detail and joined request of feedback that nobody has looked at."""

_COMPLETE = text("UPDATE requests SET whole_features = :features WHERE request_id = :request_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is written together; `seq` stays with it however often it takes."""

    seq: int
    entries: Sequence[Entry]


@dataclass(slots=True)
class _Rows:
    """A batch by table."""

    requests: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    feedback: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    shadows: list[Row] = field(default_factory=list)
    marks: list[Row] = field(default_factory=list)
    """Of attempts that were added to requests which may be of earlier batches."""
    completed: list[dict[str, str]] = field(default_factory=list)
    """Features that requests lacked when they were recorded."""

    def add(self, entries: Iterable[Entry], mark: tuple[str, int]) -> None:
        """Take entries apart. `mark` is the writer and the number of the batch."""
        for entry in entries:
            if isinstance(entry, AuditOutcome):
                self._add_audit(entry)
                self._add_later(entry.attempts, mark)
            elif isinstance(entry, ShadowOutcome):
                self._add_later(entry.attempts, mark)
                self.shadows.append(entry.row)
            elif isinstance(entry, FeedbackRow):
                self.feedback.append((*entry, *_WAITING, *mark))
            else:
                row, attempts = entry
                self.requests.append(row + mark)
                self.attempts += attempts

    def _add_audit(self, audit: AuditOutcome) -> None:
        if audit.label is not None:
            self.labels.append(audit.label)
        if audit.whole_features is not None:
            self.completed.append({"request_id": audit.request_id, "features": audit.whole_features})

    def _add_later(self, attempts: Sequence[AttemptRow], mark: tuple[str, int]) -> None:
        self.attempts += attempts
        self.marks += [(*mark, attempt.request_id, attempt.number) for attempt in attempts]


# Made once: an expression refers to itself, and one for each batch would pile up until the collector comes.
_KNOWN = select(batches.c.seq).where(
    (batches.c.writer_id == bindparam("mine")) & (batches.c.seq == bindparam("number"))
)
_ADD = insert(batches)


class BatchWriter:
    """Writes the batches of one writer. Each has its number, so one whose fate was unclear is safe to write again."""

    def __init__(self, store: Store, writer_id: str, clock: Clock) -> None:
        self._store = store
        self._writer_id = writer_id
        self._clock = clock
        self._requests = request_inserter(is_postgres=store.is_postgres)
        self._attempts = attempt_inserter(is_postgres=store.is_postgres)
        self._feedback = feedback_inserter(is_postgres=store.is_postgres)
        self._labels = label_inserter(is_postgres=store.is_postgres)
        self._shadows = shadow_inserter(is_postgres=store.is_postgres)
        self._marks = mark_inserter(is_postgres=store.is_postgres)

    def last_seq(self) -> int:
        """The number of the last batch that this writer has in the store; 0 where it has none."""
        query = select(func.max(batches.c.seq)).where(batches.c.writer_id == self._writer_id)
        with self._store.reading() as connection:
            return connection.execute(query).scalar() or 0

    def write(self, batch: Batch) -> int:
        """Make a batch durable, unless it is already.

        Returns:
            How many of its entries no database would take; they are left out.

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
        mine = {"mine": self._writer_id, "number": batch.seq}
        if connection.execute(_KNOWN, mine).first() is not None:
            return False
        requests = sum(type(entry) is tuple for entry in batch.entries)  # the other kinds are types of their own
        row = {"writer_id": self._writer_id, "seq": batch.seq, "requests": requests}
        connection.execute(_ADD, {**row, "written_us": self._clock()})
        return True

    def _insert(self, connection: Connection, seq: int, entries: Sequence[Entry]) -> None:
        rows = _Rows()
        rows.add(entries, (self._writer_id, seq))
        self._requests.insert(connection, rows.requests)
        self._attempts.insert(connection, rows.attempts)
        self._feedback.insert(connection, rows.feedback)
        self._labels.insert(connection, rows.labels)
        self._shadows.insert(connection, rows.shadows)
        self._marks.insert(connection, rows.marks)
        if rows.completed:
            # Behind the requests, since a request and its audit may come in one batch.
            connection.execute(_COMPLETE, rows.completed)

    def _write_what_fits(self, batch: Batch) -> int:
        left_out = 0
        with self._store.writing() as connection:
            if not self._is_new(connection, batch):
                return 0
            for entry in batch.entries:
                try:
                    with connection.begin_nested():
                        self._insert(connection, batch.seq, [_mended(entry)])
                except _UNFIT:
                    left_out += 1
        return left_out


def _mended(entry: Entry) -> Entry:
    """An entry whose texts any database takes."""
    if isinstance(entry, FeedbackRow):
        return FeedbackRow(*mended(entry))
    if isinstance(entry, AuditOutcome):
        label = None if entry.label is None else LabelRow(*mended(entry.label))
        return replace(entry, attempts=_mended_attempts(entry.attempts), label=label)
    if isinstance(entry, ShadowOutcome):
        return replace(entry, attempts=_mended_attempts(entry.attempts), row=ShadowRow(*mended(entry.row)))
    row, attempts = entry
    return RequestRow(*mended(row)), _mended_attempts(attempts)


def _mended_attempts(attempts: Sequence[AttemptRow]) -> list[AttemptRow]:
    return [AttemptRow(*mended(attempt)) for attempt in attempts]
