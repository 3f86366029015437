"""How much feedback there is, counted by the workers that take it and by the loop that joins it."""

from enum import StrEnum

from prometheus_client import CollectorRegistry

from gateway.metrics.numbers import Counts


class FeedbackCount(StrEnum):
    """What happened to a piece of feedback. What was accepted and neither joined nor refused waits."""

    ACCEPTED = "accepted"
    TURNED_AWAY = "turned_away"
    """There was no room; its sender was told."""
    JOINED = "joined"
    REFUSED = "refused"


def feedback_counts(registry: CollectorRegistry) -> Counts:
    """The counter, which adds up over the processes that have one."""
    return Counts("gateway_feedback", "Feedback by what became of it", ("state",), registry)
