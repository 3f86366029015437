"""A lease: which of several control planes reads the file and runs the loops, until it stops saying that it lives."""

from collections.abc import Callable

from sqlalchemy import delete, text

from gateway.clock import now_us
from gateway.store.engine import Store
from gateway.store.tables import leases

# One statement, so that of two that try at the same moment one sees the other's row.
_TAKE = """
INSERT INTO leases (name, holder, until_us) VALUES (:name, :holder, {now} + :ttl_us)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_us = excluded.until_us
WHERE leases.holder = excluded.holder OR leases.until_us <= {now}
RETURNING holder
"""
_POSTGRES_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"


class Lease:
    """One holder's hold on a named lease.

    On PostgreSQL the database's clock decides, so that replicas whose clocks differ agree; an SQLite store is on one
    machine, whose clock they share.
    """

    def __init__(
        self, store: Store, name: str, holder: str, ttl_s: float = 15.0, *, clock: Callable[[], int] = now_us
    ) -> None:
        self._store = store
        self._clock = clock
        self._values = {"name": name, "holder": holder, "ttl_us": int(ttl_s * 1_000_000)}
        self._take = text(_TAKE.format(now=_POSTGRES_NOW if store.is_postgres else ":now_us"))

    def acquire_or_renew(self) -> bool:
        """Take the lease if it is free or has run out, prolong it if it is ours; `False` where another holds it."""
        values: dict[str, object] = dict(self._values)
        if not self._store.is_postgres:
            values["now_us"] = self._clock()
        with self._store.writing() as connection:
            return connection.execute(self._take, values).first() is not None

    def release(self) -> None:
        """Give it up at once, so that nobody waits for it to run out. Nothing happens where another holds it."""
        ours = (leases.c.name == self._values["name"]) & (leases.c.holder == self._values["holder"])
        with self._store.writing() as connection:
            connection.execute(delete(leases).where(ours))
