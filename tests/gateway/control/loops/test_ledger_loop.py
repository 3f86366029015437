"""The ledger's loop: records become lines, and each hour that is over is worth something to the counter, once."""

from collections import Counter

import pytest

from gateway.control.loops.ledger import LATE_US, SETTLE_US, Ledger
from gateway.snapshot.publish import Publisher
from gateway.store import ledger, ledger_savings
from gateway.store.engine import Store
from routing.cost.idle import HOUR_US
from routing.words import RouteName
from tests.fakes.documents import SUPPORT, file_document
from tests.fakes.ledger import PairedTraffic
from tests.fakes.records import STARTED_US

HOUR = STARTED_US // HOUR_US * HOUR_US
PAIRS = 40


class Book(PairedTraffic):
    """A store, and the loop at a time of its own."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.now_us = HOUR
        self.counted: Counter[RouteName] = Counter()
        published = Publisher(store, lambda: HOUR - LATE_US).publish_file(file_document(), "file")
        assert published is not None
        self.loop = self.start()

    def start(self) -> Ledger:
        """As when the process begins, or another replica takes over."""
        return Ledger(self.store, self._count, lambda: self.now_us, piece=7)

    def _count(self, route: RouteName, nanousd: int) -> None:
        assert nanousd >= 0
        self.counted[route] += nanousd

    def run(self, at_us: int) -> None:
        """Until there is nothing more to do."""
        self.now_us = at_us
        while self.loop.run():
            pass

    def attempts(self) -> int:
        """Of all lines."""
        with self.store.reading() as connection:
            return sum(line.attempts for line in ledger.lines_of(connection, SUPPORT, 0, 2**62))


@pytest.fixture
def book(store: Store) -> Book:
    return Book(store)


def test_records_are_in_the_lines_after_a_turn(book: Book) -> None:
    book.serve(100, HOUR, arm=4)
    book.serve(5, HOUR, arm=4, large=35)
    book.run(HOUR + 1)
    assert book.attempts() == 110
    book.loop = book.start()
    book.run(HOUR + 2)
    assert book.attempts() == 110


def test_an_hour_counts_once_it_is_over_and_settled(book: Book) -> None:
    book.serve(PAIRS, HOUR, arm=4, large=35)
    book.run(HOUR + HOUR_US + SETTLE_US - 1)
    assert book.counted == {}
    book.run(HOUR + HOUR_US + SETTLE_US)
    assert book.counted == {SUPPORT: PAIRS * 31}
    book.loop = book.start()
    book.run(HOUR + 2 * HOUR_US + SETTLE_US)
    assert book.counted == {SUPPORT: PAIRS * 31}


def test_without_enough_pairs_an_hour_waits_for_them(book: Book) -> None:
    book.serve(PAIRS, HOUR, arm=4)
    book.run(HOUR + HOUR_US + SETTLE_US)
    assert book.counted == {}
    book.serve(PAIRS, HOUR + HOUR_US, arm=4, large=35)
    book.run(HOUR + 2 * HOUR_US + SETTLE_US)
    assert book.counted == {SUPPORT: 2 * PAIRS * 31}


def test_an_hour_at_a_loss_is_made_up_for_before_the_counter_goes_on(book: Book) -> None:
    later = [HOUR + hours * HOUR_US for hours in range(4)]
    book.serve(PAIRS, later[0], arm=4, large=35)
    book.run(later[1] + SETTLE_US)
    assert book.counted[SUPPORT] == PAIRS * 31
    book.serve(PAIRS, later[1], arm=400, large=35)  # which is a loss, and drags the ratio down for good
    book.run(later[2] + SETTLE_US)
    assert book.counted[SUPPORT] == PAIRS * 31
    book.loop = book.start()
    book.serve(PAIRS, later[2], arm=4, large=350_000)
    book.run(later[3] + SETTLE_US)
    with book.store.reading() as connection:
        standing = ledger_savings.standing(connection, SUPPORT)
    assert standing.total == standing.peak == book.counted[SUPPORT] > PAIRS * 31
