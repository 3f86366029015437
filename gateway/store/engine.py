"""Open the database, SQLite or PostgreSQL, and hand out connections with the same guarantees on both.

    store.reading()     one statement at a time sees the newest committed rows; takes no lock
    store.writing()     one transaction; on SQLite it is the only writer from its first moment

All of it blocks: call it from threads, never on the event loop.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy import exc as sa_exc

from gateway.mask import mask_url
from gateway.store.errors import StoreRefused, StoreUnavailable

SQLITE_BUSY_TIMEOUT_S = 5.0
_READS = "fallgate_reads"

# A server that is gone must be noticed within seconds, also in the middle of a connection.
_POSTGRES_CONNECT = {
    "connect_timeout": "2",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "application_name": "fallgate",
}

# The other errors of SQLite, and those of PostgreSQL about a value, are about what was asked and not about the store.
_UNAVAILABLE = (sa_exc.OperationalError, sa_exc.TimeoutError)
_POSTGRES_UNAVAILABLE = (*_UNAVAILABLE, sa_exc.InterfaceError, sa_exc.InternalError, sa_exc.ProgrammingError)


class Store:
    """One database and its pool of connections. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        """`sqlite` or `postgresql`."""
        self.where = mask_url(engine.url.set(drivername=self.dialect).render_as_string(hide_password=False))
        """The address, for messages."""
        self._unavailable = _POSTGRES_UNAVAILABLE if self.is_postgres else _UNAVAILABLE
        isolation: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if self.is_postgres else {_READS: True}
        self._reader = engine.execution_options(**isolation)

    @property
    def is_postgres(self) -> bool:
        """Whether more than one machine can share it."""
        return self.dialect == "postgresql"

    @property
    def path(self) -> Path:
        """The file of an SQLite store."""
        return Path(self.engine.url.database or "")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose statements see what is committed, each by itself. Raises `StoreUnavailable`."""
        with self._translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, committed at the end or rolled back on any error. Raises `StoreUnavailable`."""
        with self._translated(), self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._unavailable as error:
            raise self._outage(error) from error
        except sa_exc.DatabaseError as error:
            if type(error) is not sa_exc.DatabaseError:
                raise
            raise self._outage(error) from error  # such as a damaged file

    def _outage(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"store {self.where}: {_first_line(error)}; {self._advice(error)}")

    def _advice(self, error: Exception) -> str:
        if isinstance(error, sa_exc.ProgrammingError) or "no such table" in str(error):
            return "its tables are made by `fallgate serve`; start a control plane first"
        if "lock" in str(error):
            return "another process is busy with it; try again"
        if self.is_postgres:
            return "check that the server runs and that store.url is right"
        return "check that the file exists, that it may be written and that its disk is not full"


def open_store(url: str) -> Store:
    """A store at `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`. Nothing is connected yet.

    Raises:
        StoreRefused: the address is neither.
    """
    try:
        parsed = make_url(url)
    except (sa_exc.ArgumentError, ValueError):
        raise StoreRefused(
            "store.url: not an address; use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if parsed.drivername == "sqlite":
        return Store(_sqlite(parsed))
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return Store(_postgres(parsed))
    raise StoreRefused(
        f"store.url: {parsed.drivername}:// is not supported; use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    )


def _sqlite(url: URL) -> Engine:
    if not url.database or ":memory:" in url.database or url.query:
        raise StoreRefused("store.url: an SQLite store is a file that processes share; use sqlite:///fallgate.db")
    path = Path(url.database).absolute()

    def connect() -> sqlite3.Connection:
        # mode=rw: a file that is gone is an outage and not a reason to begin an empty store in its place.
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=SQLITE_BUSY_TIMEOUT_S, check_same_thread=False
        )
        connection.isolation_level = None  # transactions begin where we say so, below
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    # Recycled, so that a file which was replaced, as by a restore, is noticed.
    engine = create_engine(
        url.set(database=str(path)), creator=connect, hide_parameters=True, pool_timeout=5, pool_recycle=60
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(_READS):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(url: URL) -> Engine:
    given = {key: value for key, value in _POSTGRES_CONNECT.items() if key not in url.query}
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=given,
        hide_parameters=True,
        pool_timeout=5,
        pool_recycle=1800,
        pool_pre_ping=True,
    )


def _first_line(error: Exception) -> str:
    reason = error.orig if isinstance(error, sa_exc.DBAPIError) and error.orig is not None else error
    return (str(reason).strip() or type(reason).__name__).splitlines()[0]
