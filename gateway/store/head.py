"""What is in force: the one row of `configuration`, which every change locks before it reads anything."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text, update

from gateway.store.errors import StoreUnavailable
from gateway.store.tables import configuration, workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The state that the next change starts from."""

    revision: int
    """Of the newest snapshot; 0 before the first."""
    file_digest: str | None
    file_document: str | None
    """JSON of the file that counts; `None` before the first."""
    unit_secret: str


def lock(connection: Connection) -> Head:
    """Wait for every other change to end, five seconds at most, then read. The lock lasts as long as the transaction.

    Raises:
        StoreUnavailable: somebody holds the lock and does not end.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))  # SQLite has its busy timeout
    row = connection.execute(select(configuration).where(configuration.c.id == 1).with_for_update()).first()
    if row is None:
        raise StoreUnavailable("the store has no configuration row; it was cleared by hand: restore it from a backup")
    return Head(
        revision=row.revision,
        file_digest=row.file_digest,
        file_document=row.file_document,
        unit_secret=row.unit_secret,
    )


def next_revision(connection: Connection, head: Head) -> int:
    """One above the newest, and above what any worker reports.

    The second matters after a restore from a backup: workers that have seen later revisions never go back, and would
    otherwise ignore everything published until the count had caught up.
    """
    reported = connection.execute(select(func.max(workers.c.revision))).scalar() or 0
    return int(max(head.revision, reported)) + 1


def move(connection: Connection, *, revision: int, file_digest: str | None, file_document: str | None) -> None:
    """Make a revision the newest."""
    values = {"revision": revision, "file_digest": file_digest, "file_document": file_document}
    connection.execute(update(configuration).where(configuration.c.id == 1).values(values))
