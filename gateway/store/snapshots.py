"""Published snapshots, by revision."""

import msgspec
from sqlalchemy import Connection, RowMapping, bindparam, insert, select

from gateway.snapshot.document import Document, Snapshot, encode_document
from gateway.store.engine import Store
from gateway.store.errors import StoreRefused
from gateway.store.tables import snapshots

# Made once: each worker asks several times a second.
_NEWEST = (
    select(snapshots).where(snapshots.c.revision > bindparam("after")).order_by(snapshots.c.revision.desc()).limit(1)
)
_decoder = msgspec.json.Decoder(Document)


def latest(store: Store, after_revision: int = 0) -> Snapshot | None:
    """The newest snapshot, or `None` where it is not newer than `after_revision`."""
    with store.reading() as connection:
        row = connection.execute(_NEWEST, {"after": after_revision}).mappings().first()
    return None if row is None else _snapshot(row)


def at(store: Store, revision: int) -> Snapshot | None:
    """The snapshot of one revision; `None` where there is none, or not any more."""
    with store.reading() as connection:
        return read(connection, revision)


def read(connection: Connection, revision: int) -> Snapshot | None:
    """As `at`, within a transaction."""
    row = connection.execute(select(snapshots).where(snapshots.c.revision == revision)).mappings().first()
    return None if row is None else _snapshot(row)


def add(connection: Connection, snapshot: Snapshot) -> None:
    """Keep a snapshot under its new revision."""
    document = encode_document(snapshot.document).decode()
    row = {"revision": snapshot.revision, "created_us": snapshot.created_us, "document": document}
    connection.execute(insert(snapshots), row)


def _snapshot(row: RowMapping) -> Snapshot:
    revision: int = row["revision"]
    try:
        document = _decoder.decode(row["document"])
    except msgspec.DecodeError as error:
        raise StoreRefused(
            f"revision {revision} was published by another version of Fallgate ({error}); run one version everywhere"
        ) from error
    return Snapshot(revision=revision, created_us=row["created_us"], document=document)
