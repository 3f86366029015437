"""Bring the database to the tables that this version of the code expects; safe to run from several replicas at once."""

import os
import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from gateway.store.engine import SQLITE_BUSY_TIMEOUT_S, Store
from gateway.store.errors import StoreRefused, StoreUnavailable

HEAD = "0008"
"""The newest migration; a test compares it with the folder. A start need not load Alembic to know it."""

_ADVISORY_LOCK = 0x0FA116A7E


def migrate(store: Store) -> None:
    """Create or upgrade the tables. An SQLite file is created with access for its owner only.

    Raises:
        StoreRefused: the file cannot be made, or a newer version of Fallgate has already migrated the store.
        StoreUnavailable: the database does not answer.
    """
    if not store.is_postgres:
        _create_file(store.path)
        _use_wal(store.path)
    with store.writing() as connection:
        if store.is_postgres:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        if _version(connection) != HEAD:
            _upgrade(connection, store.where)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, where: str) -> None:
    # Alembic weighs several megabytes and is needed on the day of an upgrade only.
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreRefused(
            f"store {where} was migrated by another version of Fallgate ({error}); start that version or a newer one"
        ) from error


def _create_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreRefused(
            f"store.url: {path} cannot be opened for writing ({error.strerror}); mend that or choose another file"
        ) from error


def _use_wal(path: Path) -> None:
    """Let readers and one writer work at the same time. The file remembers it.

    The switch fails at once, without waiting, while another process has the file open in the old mode.
    """
    deadline_s = time.monotonic() + SQLITE_BUSY_TIMEOUT_S
    while True:
        connection = sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline_s:
                raise StoreUnavailable(f"store {path}: {error}; another process keeps it locked") from error
            time.sleep(0.02)
        except sqlite3.DatabaseError as error:
            raise StoreRefused(f"store.url: {path} is not an SQLite database ({error}); choose another file") from error
        else:
            return
        finally:
            connection.close()
