"""Old records go, a bounded piece at a time, so that no other writer waits long."""

import logging

from gateway.clock import Clock, now_us
from gateway.store.engine import Store
from gateway.store.retention import expire

RETENTION_EVERY_S = 600.0
PIECE = 1000
_DAY_US = 86_400 * 1_000_000

log = logging.getLogger(__name__)


class Retention:
    """Deletes requests older than the configuration says."""

    def __init__(self, store: Store, days: int, clock: Clock = now_us) -> None:
        self._store = store
        self._days = days
        self._clock = clock

    def run(self) -> bool:
        """Delete one piece; whether there may be more."""
        deleted = expire(self._store, self._clock() - self._days * _DAY_US, PIECE)
        if deleted:
            log.info("%d requests older than %d days were deleted", deleted, self._days)
        return deleted >= PIECE
