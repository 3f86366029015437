"""Whether a route's newest version is due for training again: why, since when, on what, and who has been told."""

from urllib.parse import urlsplit

from fastapi import FastAPI, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.control.retraining_facts import facts_of
from gateway.control.views import Json
from gateway.errors import ApiError
from gateway.snapshot.document import RouteEntry, Snapshot
from gateway.snapshot.retrain_entry import RetrainEntry
from gateway.store import deliveries, retraining, versions
from gateway.store.deliveries import Delivery, DeliveryState
from gateway.webhooks.messages import due_view, examples_view
from routing.drift.retraining import CALM, RetrainingReason, RouteFacts, Standing, due_of, newest
from routing.words import RouteName

MOST_DELIVERIES = 20


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/retraining`."""

    @app.get("/admin/v1/routes/{route}/retraining")
    def get_retraining(route: RouteName) -> Response:
        newest_snapshot = parts.newest()
        entry = _entry(route, newest_snapshot)
        known = {version.model: version for version in versions.listing(parts.store)}
        with parts.store.reading() as connection:
            facts = facts_of(connection, route, entry, known, parts.clock())
            standings = retraining.standings(connection).get(route, {})
            told = deliveries.of_route(connection, route, limit=MOST_DELIVERIES)
        return json_response(
            {
                "route": route,
                "revision": newest_snapshot.revision,
                "settings": _settings(entry.retrain),
                "newest": [{"model": arm.model, "trained_us": arm.trained_us} for arm in newest(facts.arms)],
                "train_on": examples_view(facts.examples),
                "reasons": [_reason(reason, standings.get(reason, CALM), facts) for reason in RetrainingReason],
                "due": [
                    due_view(due)
                    for reason, standing in standings.items()
                    if (due := due_of(facts, reason, standing)) is not None
                ],
                "deliveries": [_delivery(one) for one in told],
            }
        )


def _entry(route: RouteName, snapshot: Snapshot) -> RouteEntry:
    entry = snapshot.document.routes.get(route)
    if entry is None:
        known = ", ".join(sorted(snapshot.document.routes))
        raise ApiError(404, f"there is no route {route!r}; there are {known}", code="route_not_found")
    return entry


def _settings(entry: RetrainEntry) -> Json:
    """By the names that they have in the file; of the receiver no more than where it is, for a path may be a secret."""
    host = None if entry.webhook is None else urlsplit(entry.webhook.url).netloc
    return {
        "every_days": entry.every_days,
        "min_new_examples": entry.min_new_examples,
        "lasting_minutes": entry.lasting_minutes,
        "webhook_host": host,
    }


def _reason(reason: RetrainingReason, standing: Standing, facts: RouteFacts) -> Json:
    due = due_of(facts, reason, standing)
    return {
        "reason": reason,
        "due": due is not None,
        "due_since_us": standing.due_since_us,
        "seen_since_us": standing.seen_since_us,
        "away_since_us": standing.away_since_us,
    }


def _delivery(one: Delivery) -> Json:
    return {
        "id": one.id,
        "reason": one.reason,
        "due_since_us": one.due_since_us,
        "state": one.state,
        "attempts": one.attempts,
        "next_us": one.next_us if one.state is DeliveryState.WAITING else None,
        "made_us": one.made_us,
        "ended_us": one.ended_us,
        "status": one.status,
        "error": one.error,
    }
