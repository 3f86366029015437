"""However many values labels have, the number of series is bounded, and nothing that was counted is lost."""

from prometheus_client import CollectorRegistry

from gateway.metrics.numbers import MOST_CHILDREN, OTHER, Counts, Spreads

MANY = MOST_CHILDREN + 100


def test_what_is_over_the_cap_counts_under_other() -> None:
    registry = CollectorRegistry()
    counts = Counts("gateway_things", "Things.", ("route", "model"), registry)
    for number in range(MANY):
        counts(f"r{number}", "m").inc(2)
    counts("r0", "m").inc()  # which has its place
    samples = [one for family in registry.collect() if family.name == "gateway_things" for one in family.samples]

    assert len(samples) == MOST_CHILDREN + 1
    assert sum(one.value for one in samples) == 2 * MANY + 1
    assert registry.get_sample_value("gateway_things_total", {"route": "r0", "model": "m"}) == 3
    assert registry.get_sample_value("gateway_things_total", {"route": OTHER, "model": OTHER}) == 200


def test_how_often_that_happened_is_counted_and_is_there_before_it_does() -> None:
    registry = CollectorRegistry()
    spreads = Spreads("gateway_seconds", "Seconds.", ("route",), registry, bounds=(1.0,))
    name = {"metric": "gateway_seconds"}
    assert registry.get_sample_value("gateway_series_capped_total", name) == 0
    for number in range(MANY):
        spreads(f"r{number}").observe(0.5)
    assert registry.get_sample_value("gateway_series_capped_total", name) == 100
    assert registry.get_sample_value("gateway_seconds_count", {"route": OTHER}) == 100
