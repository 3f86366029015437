"""What routes saved, on the page: known once there are pairs enough, and then as the ledger has it."""

import pytest
from prometheus_client import CollectorRegistry

from gateway.control.cost_figures import CostFigures
from gateway.control.loops.ledger import Ledger
from gateway.control.observer import Seen
from gateway.snapshot.publish import Publisher
from gateway.store.engine import Store
from routing.cost.idle import HOUR_US
from tests.fakes.documents import file_document
from tests.fakes.ledger import PairedTraffic
from tests.fakes.records import STARTED_US

HOUR = STARTED_US // HOUR_US * HOUR_US
PAIRS = 40


def shown(store: Store) -> list[float | None]:
    """The estimate and its bounds, two hours after."""
    newest = Publisher(store, lambda: HOUR).publish_file(file_document(), "file")
    while Ledger(store, lambda route, nanousd: None, lambda: HOUR + 1).run():
        pass
    figures = CostFigures(store, lambda: Seen(snapshot=newest), lambda: HOUR + 2 * HOUR_US)
    registry = CollectorRegistry()
    registry.register(figures)
    figures.look()
    names = [f"gateway_estimated_savings_usd{end}" for end in ("", "_lower", "_upper")]
    return [registry.get_sample_value(name, {"route": "support"}) for name in names]


def test_savings_are_shown_with_their_interval(store: Store) -> None:
    traffic = PairedTraffic(store)
    traffic.serve(PAIRS, HOUR, arm=4_000_000, large=35_000_000)
    traffic.serve(PAIRS, HOUR, arm=4_000_000, large=45_000_000)
    value, lower, upper = shown(store)
    assert value == pytest.approx(2 * PAIRS * 0.036)
    assert (lower or 0.0) < (value or 0.0) < (upper or 0.0)


def test_without_pairs_nothing_is_shown_of_savings(store: Store) -> None:
    PairedTraffic(store).serve(PAIRS, HOUR, arm=4_000_000)
    assert shown(store) == [None, None, None]
