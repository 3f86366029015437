"""What the endpoints of the control plane work with."""

from dataclasses import dataclass

from sqlalchemy import select

from gateway.clock import Clock
from gateway.control.guard import not_ready
from gateway.control.leader import Leader
from gateway.control.observer import Observer
from gateway.control.page import Page
from gateway.snapshot.document import Snapshot
from gateway.snapshot.file import FileDocument, decode_file
from gateway.snapshot.publish import Publisher
from gateway.store import snapshots
from gateway.store.engine import Store
from gateway.store.tables import configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The control plane, put together."""

    store: Store
    publisher: Publisher
    observer: Observer
    leader: Leader
    page: Page
    clock: Clock

    def newest(self) -> Snapshot:
        """The snapshot in force, read from the store, since another replica may just have published one.

        Raises:
            ApiError: 503, nothing has been published yet.
            StoreError: the store does not answer.
        """
        known = self.observer.seen.snapshot
        newer = snapshots.latest(self.store, known.revision if known else 0)
        if newer is not None:
            self.observer.learn(newer)
        newest = newer or known
        if newest is None:
            raise not_ready()
        return newest

    def file_in_force(self) -> FileDocument | None:
        """The file that counts, which may be another replica's."""
        with self.store.reading() as connection:
            text = connection.execute(select(configuration.c.file_document)).scalar()
        return None if text is None else decode_file(text)
