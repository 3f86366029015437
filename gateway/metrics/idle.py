"""What hardware costs while nobody uses it, counted by the loop that writes its lines."""

from prometheus_client import CollectorRegistry

from gateway.metrics.numbers import Counts


def idle_cost(registry: CollectorRegistry) -> Counts:
    """The counter, in dollars. With `gateway_cost_usd_total` of the same models it is what their hardware cost."""
    said = "What the hardware of models with a rate card cost beyond what requests were billed, an hour at a time"
    return Counts("gateway_idle_cost_usd", said, ("model",), registry)
