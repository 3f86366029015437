"""What hardware cost idle, an hour at a time: a line for each model with a rate card, counted when it is written.

An hour counts for the models that were configured with a rate card when it began. It is looked at once its requests
have ended, and hours in which nobody looked are made up for: hardware costs money also while the gateway is down.
"""

import logging
from collections.abc import Callable
from typing import Final

from gateway.clock import Clock, now_us
from gateway.store import idle
from gateway.store.engine import Store
from gateway.store.idle import IdleLine
from routing.cost.idle import HOUR_US, cards_at, hours_between, idle_nanousd
from routing.words import ModelName

IDLE_EVERY_S: Final = 60.0
SETTLE_US: Final = 15 * 60 * 1_000_000
"""After an hour, for its last requests to end and be recorded. What comes later does not lessen its idle time."""
PIECE: Final = 24
"""Hours at a turn."""
_DAY_US: Final = 24 * HOUR_US

log = logging.getLogger(__name__)


class IdleTime:
    """Writes the lines of the hours that are over."""

    def __init__(
        self, store: Store, retention_days: int, count: Callable[[ModelName, int], object], clock: Clock = now_us
    ) -> None:
        """`count` is told of each line that was written: model, nano-dollars."""
        self._store = store
        self._retention_us = retention_days * _DAY_US
        self._count = count
        self._clock = clock
        self._next_us: int | None = None

    def run(self) -> bool:
        """Write the lines of a bounded number of hours; whether there may be more."""
        if self._next_us is None:
            self._next_us = self._begin_us()
        if self._next_us is None:
            return False
        hours = hours_between(self._next_us, self._clock() - SETTLE_US)[:PIECE]
        for hour_us in hours:
            self._write(hour_us)
            self._next_us = hour_us + HOUR_US
        return len(hours) == PIECE

    def _begin_us(self) -> int | None:
        """Where the last lines end, or where anything was configured first, but no hour whose records may be gone."""
        with self._store.reading() as connection:
            last_us, first_us = idle.last_hour_us(connection), idle.first_snapshot_us(connection)
        now_us = self._clock()
        if last_us is not None:
            return max(last_us + HOUR_US, now_us - self._retention_us + HOUR_US)
        return None if first_us is None else max(first_us, now_us - _DAY_US + HOUR_US)

    def _write(self, hour_us: int) -> None:
        lines = self._lines_of(hour_us)
        if not lines:
            return
        with self._store.writing() as connection:
            written = idle.put(connection, lines)
        for line in written:
            self._count(line.model, line.cost_nanousd)
        log.debug("idle time of %d models was written for one hour", len(written))

    def _lines_of(self, hour_us: int) -> list[IdleLine]:
        with self._store.reading() as connection:
            document = idle.document_at(connection, hour_us)
            models = {} if document is None else document.models
            cards = cards_at(((name, entry.base_url, entry.prices) for name, entry in models.items()), hour_us)
            # Most gateways have none, and need not have their requests added up.
            billed = idle.billed_nanousd(connection, hour_us) if cards else {}
        found = idle_nanousd(cards, billed)
        return [
            IdleLine(
                hour_us=hour_us,
                model=card.model,
                price_version=card.version,
                billed_nanousd=billed.get(card.model, 0),
                cost_nanousd=found[card.model],
            )
            for card in sorted(cards, key=lambda card: card.model)  # two that write at once do it in one order
        ]
