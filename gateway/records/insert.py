"""Put many rows into the store with little work a row.

SQLite gets statements of a hundred rows: fewer calls, and while one runs other threads have the interpreter. Its driver
binds exact integers, floats and texts at once, and looks long for somebody who adapts anything else, such as `None` and
booleans: columns that are empty in all of the rows are left out (13 µs a request with its attempt, 19 with them).
PostgreSQL gets one JSON text a table and takes it
apart itself, which costs this process a tenth of binding each value.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Boolean, Column, Connection, Float, Table, Text

from gateway.store.ledger_tables import ledger_later
from gateway.store.tables import attempts, feedback, labels, requests, shadows

Row = tuple[Any, ...]  # one value a column

_CHUNKS = (100, 10, 1)

_WORDS = frozenset(
    {
        *("unit_place", "outcome", "reason", "confidence_mode", "score_name"),
        *("purpose", "result", "kind", "metric", "source"),
    }
)
"""Columns whose values may be members of a `StrEnum`."""

_FOREIGN = frozenset({"finish_reason", "answer_id"})
"""Columns whose text an upstream chose. PostgreSQL has no NUL in text, so it is taken out, everywhere alike."""


class Inserter:
    """Inserts rows into one table. Rows that are there already, by their primary key, are left as they are."""

    def __init__(self, table: Table, *, is_postgres: bool) -> None:
        self._columns = list(table.columns)
        names = [column.name for column in self._columns]
        self._table = table.name
        self._names = names
        self._makers = [_maker(column) for column in self._columns]
        self._into = f"INSERT INTO {table.name} ({', '.join(names)})"
        self._insert = self._as_json if is_postgres else self._in_chunks
        self._select = ", ".join(_from_json(position, column) for position, column in enumerate(self._columns))
        self._encode = msgspec.json.Encoder().encode

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Add rows, in one transaction with whatever else the connection does."""
        if rows:
            self._insert(connection, rows)

    def _as_json(self, connection: Connection, rows: Sequence[Row]) -> None:
        text = self._encode(rows).decode()
        if "\\u0000" in text:
            text = self._encode([mended(row) for row in rows]).decode()
        connection.exec_driver_sql(
            f"{self._into} SELECT {self._select} FROM jsonb_array_elements(%s::jsonb) AS e ON CONFLICT DO NOTHING",
            (text,),
        )

    def _in_chunks(self, connection: Connection, rows: Sequence[Row]) -> None:
        start = 0
        for size in _CHUNKS:
            while len(rows) - start >= size:
                self._insert_chunk(connection, rows[start : start + size])
                start += size

    def _insert_chunk(self, connection: Connection, rows: Sequence[Row]) -> None:
        size = len(rows)
        names, columns = [], []
        for name, maker, column in zip(self._names, self._makers, zip(*rows, strict=True), strict=True):
            if column.count(None) < size:
                names.append(name)
                columns.append(column if maker is None else map(maker, column))
        values = tuple(chain.from_iterable(zip(*columns, strict=True)))
        connection.exec_driver_sql(_statement(self._table, tuple(names), size), values)


def _maker(column: Column[Any]) -> Callable[[Any], Any] | None:
    """What makes a column's values fit for SQLite's driver; `None` where they are."""
    if column.name in _WORDS:
        return _word
    if column.name in _FOREIGN:
        return _without_nul
    return _number if isinstance(column.type, Boolean) else None


def _word(value: str | None) -> str | None:
    return value and str.__str__(value)


def _without_nul(value: str | None) -> str | None:
    return value and value.replace("\0", "")


def _number(value: bool | None) -> int | None:  # noqa: FBT001
    return None if value is None else int(value)


@lru_cache(maxsize=256)
def _statement(table: str, names: tuple[str, ...], rows: int) -> str:
    """There are few: which columns are empty is much the same from one hundred rows to the next."""
    one = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([one] * rows)} ON CONFLICT DO NOTHING"


def mended(row: Row) -> Row:
    """A row that any database takes: without NULs and lone surrogates in its texts."""
    return tuple(_mended(value) if isinstance(value, str) else value for value in row)


def _mended(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _from_json(position: int, column: Column[Any]) -> str:
    kind = column.type
    if isinstance(kind, Text):
        return f"e->>{position}"
    name = "boolean" if isinstance(kind, Boolean) else "float8" if isinstance(kind, Float) else "bigint"
    return f"(e->>{position})::{name}"


def request_inserter(*, is_postgres: bool) -> Inserter:
    """For `requests`; a row is a `RequestRow`, followed by writer id and number of the batch."""
    return Inserter(requests, is_postgres=is_postgres)


def attempt_inserter(*, is_postgres: bool) -> Inserter:
    """For `attempts`; a row is an `AttemptRow`."""
    return Inserter(attempts, is_postgres=is_postgres)


def feedback_inserter(*, is_postgres: bool) -> Inserter:
    """For `feedback`; a row is a `FeedbackRow`, followed by state, detail, joined request, writer id and number."""
    return Inserter(feedback, is_postgres=is_postgres)


def label_inserter(*, is_postgres: bool) -> Inserter:
    """For `labels`; a row is a `LabelRow`."""
    return Inserter(labels, is_postgres=is_postgres)


def shadow_inserter(*, is_postgres: bool) -> Inserter:
    """For `shadows`; a row is a `ShadowRow`."""
    return Inserter(shadows, is_postgres=is_postgres)


def mark_inserter(*, is_postgres: bool) -> Inserter:
    """For `ledger_later`; a row is writer id and number of the batch, request id and number of the attempt."""
    return Inserter(ledger_later, is_postgres=is_postgres)
