"""The ledger: rolls records up into hourly lines, and says what each hour saved once it is over."""

from collections.abc import Callable
from typing import Final

from gateway.clock import Clock, now_us
from gateway.snapshot.document import Document
from gateway.store import idle, ledger, ledger_pairs, ledger_savings
from gateway.store.engine import Store
from routing.cost.idle import HOUR_US
from routing.cost.savings import Savings, paid, savings
from routing.words import RouteName

LEDGER_EVERY_S: Final = 10.0
PIECE: Final = 1000
"""Requests in one transaction."""
PIECES: Final = 10
"""At a turn."""
SETTLE_US: Final = 15 * 60 * 1_000_000
"""After an hour, for its last requests to end, be audited and be recorded."""
PAIRED_US: Final = 7 * 24 * HOUR_US
"""Pairs of the last days say what an hour saved: one hour has too few of its own."""
LATE_US: Final = 24 * HOUR_US
"""For so long an hour waits for enough pairs; and no hour before is looked at, where none was."""


class Ledger:
    """Keeps the lines, and what hours saved."""

    def __init__(
        self, store: Store, count: Callable[[RouteName, int], object], clock: Clock = now_us, piece: int = PIECE
    ) -> None:
        """`count` is told by how much what a route saved has risen: route, nano-dollars."""
        self._store = store
        self._count = count
        self._clock = clock
        self._piece = piece
        self._looked_us = 0

    def run(self) -> bool:
        """Take in what is new, a bounded part of it; whether there is more."""
        for _ in range(PIECES):
            if not self._roll_up():
                self._save()
                return False
        return True

    def _roll_up(self) -> bool:
        with self._store.reading() as connection:
            waiting = ledger.behind(connection)
        done = False
        for writer_id, seq in sorted(waiting.items()):
            with self._store.writing() as connection:
                done = ledger.roll_up(connection, writer_id, seq, self._piece) or done
        return done

    def _save(self) -> None:
        """Of the hours that are over, at most once an hour for each; those without enough pairs are tried again."""
        until_us = (self._clock() - SETTLE_US) // HOUR_US * HOUR_US
        if until_us == self._looked_us:
            return
        with self._store.reading() as connection:
            document = idle.document_at(connection, self._clock())
            last = ledger_savings.last_hours_us(connection)
        for route in () if document is None else document.routes:
            assert document is not None
            since_us = max(last.get(route, 0) + HOUR_US, until_us - LATE_US)
            self._save_route(route, document, since_us, until_us)
        self._looked_us = until_us

    def _save_route(self, route: RouteName, document: Document, since_us: int, until_us: int) -> None:
        fallback = document.routes[route].fallback
        if fallback is None:
            return
        with self._store.reading() as connection:
            hours = ledger_savings.hours_with_lines(connection, route, since_us, until_us)
        for hour_us in hours:
            end_us = hour_us + HOUR_US
            with self._store.writing() as connection:
                known = paid(ledger.lines_of(connection, route, hour_us, end_us), fallback.to)
                pairs = ledger_pairs.pairs_of(connection, route, fallback.to, until_us - PAIRED_US, until_us)
                found = savings(known, pairs, has_large=True)
                if not isinstance(found, Savings):
                    continue
                before = ledger_savings.standing(connection, route)
                written = ledger_savings.put(connection, hour_us, route, found.saved)
            if written:
                rise = before.total + found.saved.value - before.peak
                self._count(route, max(0, rise))
