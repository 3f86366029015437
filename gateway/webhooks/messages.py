"""What a receiver is told when a version is due for training again: counts and names, never a text of a request."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from gateway.store.codec import dump
from gateway.store.deliveries import Delivery, DeliveryState
from routing.drift.retraining import Due, Examples, RetrainingReason

TYPE: Final = "route.retraining_due"
_ID_CHARS: Final = 32

Json = dict[str, Any]


def delivery_of(route: str, due: Due, at_us: int) -> Delivery:
    """The message about a cause, to be sent at once. The same cause makes the same id, whoever makes the message."""
    body = {"type": TYPE, "timestamp": iso(due.since_us), "data": {"route": route, **due_view(due)}}
    return Delivery(
        id=message_id(route, due.reason, due.version, due.since_us),
        route=route,
        reason=due.reason,
        due_since_us=due.since_us,
        body=dump(body),
        state=DeliveryState.WAITING,
        attempts=0,
        next_us=at_us,
        made_us=at_us,
        ended_us=None,
        status=None,
        error=None,
    )


def message_id(route: str, reason: RetrainingReason, version: str, since_us: int) -> str:
    """Of the message about a cause; without a full stop, which separates it from the rest of what is signed."""
    digest = sha256(f"{route}\0{reason}\0{version}\0{since_us}".encode()).hexdigest()
    return f"msg_{digest[:_ID_CHARS]}"


def due_view(due: Due) -> Json:
    """A reason with what it takes to act on it, as the admin API and webhooks show it."""
    return {
        "reason": due.reason,
        "version": due.version,
        "since_us": due.since_us,
        "sentence": due.sentence,
        "train_on": examples_view(due.examples),
        "moved": [
            {
                "model": one.model,
                "feature": one.feature,
                "family": one.family,
                "score": one.score,
                "since_us": one.since_us,
            }
            for one in due.moved
        ],
        "quality": [
            {"model": one.model, "kind": one.kind, "audited": one.audited, "expected": one.expected}
            for one in due.worse
        ],
    }


def examples_view(examples: Examples) -> Json:
    """What could be trained on."""
    return {
        "from_us": examples.since_us,
        "to_us": examples.until_us,
        "requests": examples.requests,
        "labels": dict(examples.labels),
        "demonstrations": examples.demonstrations,
    }


def iso(at_us: int) -> str:
    """A time as receivers read it."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat().replace("+00:00", "Z")
