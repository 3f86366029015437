"""Old records go, a bounded piece at a time, so that no other writer waits long."""

import logging

from gateway.clock import Clock, now_us
from gateway.store import experiment_data
from gateway.store.engine import Store
from gateway.store.retention import expire

RETENTION_EVERY_S = 600.0
PIECE = 1000
_DAY_US = 86_400 * 1_000_000

log = logging.getLogger(__name__)


class Retention:
    """Deletes requests older than the configuration says, and the units of experiments that ended so long ago."""

    def __init__(self, store: Store, days: int, clock: Clock = now_us) -> None:
        self._store = store
        self._days = days
        self._clock = clock

    def run(self) -> bool:
        """Delete one piece; whether there may be more."""
        older_than_us = self._clock() - self._days * _DAY_US
        deleted = expire(self._store, older_than_us, PIECE)
        if deleted:
            log.info("%d requests older than %d days were deleted", deleted, self._days)
        with self._store.writing() as connection:
            units = experiment_data.expire(connection, older_than_us, PIECE)
        if units:
            log.info("%d units of experiments that ended more than %d days ago were deleted", units, self._days)
        return max(deleted, units) >= PIECE
