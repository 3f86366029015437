"""Clients' keys that are not in the file. Only digests are kept; a secret is seen once, by whoever made it."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from gateway.clock import now_us
from gateway.identity import digest_of
from gateway.snapshot.document import KeyEntry
from gateway.store import head
from gateway.store.codec import dump, load
from gateway.store.engine import Store
from gateway.store.tables import keys

_FIRST_KEYS = (("app", ("inference",)), ("ops", ("admin", "metrics")), ("tester", ("inference", "test")))
_SECRET_BYTES = 32


class NewKey(NamedTuple):
    """A key that was just made; its secret is told nowhere else."""

    name: str
    secret: str
    scopes: tuple[str, ...]


def ensure_keys(store: Store) -> list[NewKey]:
    """Make a key to ask with, one to test arms with and one to operate with, unless the store has keys already.

    For a first start with a file that has no keys either. Of two replicas that start together, one makes them.

    Returns:
        What was made, to be printed once; empty where there was nothing to make.
    """
    with store.writing() as connection:
        head.lock(connection)
        if read(connection):
            return []
        return [make(connection, name, scopes) for name, scopes in _FIRST_KEYS]


def make(connection: Connection, name: str, scopes: Sequence[str], tenant: str = "default") -> NewKey:
    """Add a key with a fresh secret of 256 bits."""
    secret = f"fg_{secrets.token_urlsafe(_SECRET_BYTES)}"
    row = {"name": name, "digest": digest_of(secret.encode()), "scopes": dump(sorted(scopes)), "tenant": tenant}
    connection.execute(insert(keys), {**row, "created_us": now_us()})
    return NewKey(name=name, secret=secret, scopes=tuple(scopes))


def remove(connection: Connection, name: str) -> None:
    """Drop a key. Nothing happens where there is none of this name."""
    connection.execute(delete(keys).where(keys.c.name == name))


def made_us(connection: Connection) -> dict[str, int]:
    """When each key was made, by name."""
    return {row.name: row.created_us for row in connection.execute(select(keys.c.name, keys.c.created_us))}


def read(connection: Connection) -> tuple[KeyEntry, ...]:
    """The keys, by name, as a snapshot has them."""
    rows = connection.execute(select(keys).order_by(keys.c.name))
    return tuple(
        KeyEntry(name=row.name, digest=row.digest, scopes=load(row.scopes, frozenset[str]), tenant=row.tenant)
        for row in rows
    )
