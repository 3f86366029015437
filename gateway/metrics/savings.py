"""What routes saved against the large model alone, counted by the loop that estimates it."""

from prometheus_client import CollectorRegistry

from gateway.metrics.numbers import Counts


def savings_counter(registry: CollectorRegistry) -> Counts:
    """The counter, in dollars. It only goes up: hours at a loss are made up for before it goes on."""
    said = (
        "What a route is estimated to have saved against its fallback answering everything, less what was paid to "
        "answer; by the hour, once pairs of answers allow it. Hours at a loss are made up for before it goes on"
    )
    return Counts("gateway_savings_usd", said, ("route",), registry)
