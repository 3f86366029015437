"""Idle time is written once for every hour, as a line of the store and on the counter alike."""

from collections import Counter
from dataclasses import replace
from itertools import count
from typing import Final

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from gateway.control.loops.idle import PIECE, SETTLE_US, IdleTime
from gateway.metrics.idle import idle_cost
from gateway.records.batches import Batch, BatchWriter
from gateway.snapshot.file import FileDocument
from gateway.snapshot.publish import Publisher
from gateway.store.engine import Store
from gateway.store.idle import lines_between
from routing.cost.idle import HOUR_US
from routing.cost.prices import Price
from routing.words import ModelName, Purpose, TokenKind
from tests.fakes.documents import LARGE, V1, V2, V3, file_document
from tests.fakes.records import attempt_rows, request_row

GPU: Final = "http://127.0.0.1:1/v1"
DAY: Final = 24
CARD: Final = Price(version="file", nanousd_per_mtok={TokenKind.OUTPUT: 370_370_370}, gpu_hour_nanousd=1_200_000_000)
TOKENS: Final = Price(version="file", nanousd_per_mtok={TokenKind.OUTPUT: 10**10})
BEGIN: Final = 500_000
"""An hour, counted since 1970."""
Line = tuple[int, ModelName, int, int]

_numbers = count(1)


class Plant:
    """A store, and the loop at a time of its own. Hours are told from `BEGIN`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.hour = 0.0
        self.counted: Counter[ModelName] = Counter()
        self.loop = self.start()

    def start(self, retention_days: int = 90) -> IdleTime:
        """As when the process begins, or another replica takes over."""
        self.loop = IdleTime(self.store, retention_days, self._count, self.now_us)
        return self.loop

    def _count(self, model: ModelName, nanousd: int) -> None:
        self.counted[model] += nanousd

    def now_us(self) -> int:
        return int((BEGIN + self.hour) * HOUR_US) + SETTLE_US

    def configure(self, hour: float, **prices: Price) -> None:
        """Publish models with these prices, all at one address but `v3`."""
        file = file_document()
        models = {
            name: msgspec.structs.replace(
                entry,
                prices=(prices[name],) if name in prices else (),
                base_url=f"{GPU}/3" if name == V3 else GPU,
            )
            for name, entry in file.models.items()
        }
        changed: FileDocument = msgspec.structs.replace(file, models=models)
        Publisher(self.store, lambda: int((BEGIN + hour) * HOUR_US)).publish_file(changed, "file")

    def serve(self, hour: float, model: ModelName, nanousd: int | None, purpose: Purpose = Purpose.SERVE) -> None:
        """A request that arrives then."""
        number, at_us = next(_numbers), int((BEGIN + hour) * HOUR_US)
        attempt = attempt_rows(number, started_us=at_us)[0]
        row = attempt._replace(model=model, purpose=purpose, cost_nanousd=nanousd)
        entry = (request_row(number, started_us=at_us), [row])
        BatchWriter(self.store, "w", self.now_us).write(Batch(seq=number, entries=[entry]))

    def run(self, hour: float) -> list[Line]:
        """Look at that hour; every line that there is."""
        self.hour = hour
        while self.loop.run():
            pass
        with self.store.reading() as connection:
            lines = lines_between(connection, 0, 2**62)
        in_store: Counter[ModelName] = Counter()
        for line in lines:
            in_store[line.model] += line.cost_nanousd
        assert +in_store == +self.counted
        return [(line.hour_us // HOUR_US - BEGIN, line.model, line.billed_nanousd, line.cost_nanousd) for line in lines]


@pytest.fixture
def plant(store: Store) -> Plant:
    return Plant(store)


def test_before_anything_is_published_there_is_nothing_to_pay(plant: Plant) -> None:
    assert plant.run(5) == []


def test_an_hour_costs_what_it_costs_less_what_its_requests_were_billed(plant: Plant) -> None:
    plant.configure(-0.5, v3=CARD, large=TOKENS)
    plant.serve(-0.1, V3, 999_999_999)
    plant.serve(0.0, V3, 100_000_000)
    plant.serve(0.5, V3, 200_000_000, Purpose.DRAFT)
    plant.serve(0.5, V3, None)
    plant.serve(0.7, LARGE, 500_000_000)
    plant.serve(0.9999, V3, 50_000_000, Purpose.SHADOW)
    plant.serve(1.0, V3, 7)

    assert plant.run(1) == [(0, V3, 350_000_000, 850_000_000)]
    assert plant.run(2) == [(0, V3, 350_000_000, 850_000_000), (1, V3, 7, 1_199_999_993)]


def test_models_at_one_address_share_the_hour(plant: Plant) -> None:
    plant.configure(0, v1=CARD, v2=CARD, v3=CARD)
    plant.serve(0.2, V1, 200_000_000)
    assert plant.run(1) == [
        (0, V1, 200_000_000, 500_000_000),
        (0, V2, 0, 500_000_000),
        (0, V3, 0, 1_200_000_000),
    ]


def test_more_billed_than_the_hour_cost_is_no_credit_and_the_hour_is_done(plant: Plant) -> None:
    plant.configure(0, v3=CARD)
    plant.serve(0.5, V3, 1_300_000_000)
    assert plant.run(1) == [(0, V3, 1_300_000_000, 0)]
    assert plant.start().run() is False


def test_an_hour_is_looked_at_when_its_last_requests_have_had_time_to_end(plant: Plant) -> None:
    plant.configure(0, v3=CARD)
    assert plant.run(0.999) == []
    assert len(plant.run(1.0)) == 1


def test_an_hour_is_written_once_whoever_looks_and_however_often(plant: Plant) -> None:
    plant.configure(0, v3=CARD)
    once = plant.run(3)
    assert [hour for hour, *_ in once] == [0, 1, 2]
    plant.serve(1.5, V3, 400_000_000)  # too late: the line of that hour stands
    plant.start()
    assert plant.run(3) == once

    other = Plant(plant.store)
    other.hour = 4
    other.loop.run()
    plant.hour = 4
    plant.loop.run()  # which does not know that the other has been there
    assert other.counted == {V3: 1_200_000_000}
    assert plant.counted == {V3: 3 * 1_200_000_000}


def test_hours_in_which_nobody_looked_are_made_up_for(plant: Plant) -> None:
    plant.configure(0, v3=CARD)
    plant.serve(30.5, V3, 200_000_000)
    assert len(plant.run(1)) == 1
    plant.start()
    lines = plant.run(3 * DAY)
    assert [hour for hour, *_ in lines] == list(range(3 * DAY))
    assert lines[30] == (30, V3, 200_000_000, 1_000_000_000)


def test_a_turn_is_bounded(plant: Plant) -> None:
    plant.configure(0, v3=CARD)
    plant.run(1)
    plant.hour = 100
    assert plant.loop.run() is True
    with plant.store.reading() as connection:
        assert len(lines_between(connection, 0, 2**62)) == 1 + PIECE


def test_an_hour_goes_by_what_was_in_force_when_it_began(plant: Plant) -> None:
    plant.configure(0.5, v3=CARD)
    plant.configure(2.5, v3=replace(CARD, gpu_hour_nanousd=2_400_000_000))
    plant.configure(4.5, v3=TOKENS)
    assert [(hour, cost) for hour, _, _, cost in plant.run(7)] == [
        (1, 1_200_000_000),
        (2, 1_200_000_000),
        (3, 2_400_000_000),
        (4, 2_400_000_000),
    ]


def test_a_dated_card_counts_from_its_date(plant: Plant) -> None:
    plant.configure(0, v3=replace(CARD, since_us=(BEGIN + 2) * HOUR_US))
    assert [hour for hour, *_ in plant.run(4)] == [2, 3]


def test_nothing_is_claimed_of_hours_whose_records_may_be_gone(plant: Plant) -> None:
    plant.configure(0, v3=CARD)
    plant.run(1)
    plant.start(retention_days=2)
    assert [hour for hour, *_ in plant.run(10 * DAY)] == [0, *range(8 * DAY + 2, 10 * DAY)]


def test_who_begins_late_looks_back_a_day_at_most(plant: Plant) -> None:
    plant.configure(0, v3=CARD)
    hours = [hour for hour, *_ in plant.run(100)]
    assert hours == list(range(78, 100))


def test_the_counter_has_dollars_by_model() -> None:
    registry = CollectorRegistry()
    idle_cost(registry)(V1).inc(850_000_000 / 1e9)
    assert registry.get_sample_value("gateway_idle_cost_usd_total", {"model": "v1"}) == 0.85
