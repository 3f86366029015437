"""What is known of a route that may be due for training again, gathered from the store."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from gateway.snapshot.document import RouteEntry
from gateway.snapshot.retrain_entry import RetrainEntry
from gateway.store import drift_alarms, retraining
from gateway.store.versions import VersionRecord
from routing.drift.audited import is_lower
from routing.drift.retraining import (
    DAY_US,
    MINUTE_US,
    ArmFacts,
    Policy,
    QualityKind,
    RouteFacts,
    Worse,
    newest,
)
from routing.words import ModelName, RouteName

Versions = Mapping[str, VersionRecord]
"""Those that are registered, by model."""


def policy_of(entry: RetrainEntry) -> Policy:
    """By what the route's versions are found due."""
    return Policy(
        every_us=entry.every_days * DAY_US,
        min_new_examples=entry.min_new_examples,
        lasting_us=entry.lasting_minutes * MINUTE_US,
    )


def trained_us(version: VersionRecord | None) -> int | None:
    """When a version was made, as its lineage says, else when it was first seen; `None` where it is not registered."""
    if version is None:
        return None
    return created_us(version.lineage.get("created")) or version.registered_us


def created_us(said: object) -> int | None:
    """A date or a time of a lineage file, in UTC; `None` where it says none."""
    try:
        found = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000_000)


def facts_of(connection: Connection, route: RouteName, entry: RouteEntry, versions: Versions, at_us: int) -> RouteFacts:
    """What is known at a moment. Takes time in proportion to what has come since the last training, up to a bound."""
    arms = [
        ArmFacts(model=arm, share=share, trained_us=trained_us(versions.get(arm))) for arm, share in entry.split.items()
    ]
    current = newest(arms)
    since_us = next((arm.trained_us for arm in current if arm.trained_us is not None), 0)
    alarms = drift_alarms.of_route(connection, route)
    return RouteFacts(
        route=route,
        arms=arms,
        examples=retraining.examples_since(connection, route, since_us, at_us),
        moved=alarms.moved,
        worse=[*alarms.parted, *_lower(connection, route, current, at_us)],
    )


def _lower(connection: Connection, route: RouteName, current: tuple[ArmFacts, ...], at_us: int) -> Iterator[Worse]:
    for arm in current:
        before = retraining.kept_audits(connection, route, arm.model, arm.trained_us or 0)
        now = retraining.latest_audits(connection, route, arm.model)
        if before is not None and now is not None and is_lower(before, now):
            yield Worse(
                model=ModelName(arm.model),
                kind=QualityKind.LOWER,
                audited=now.accuracy,
                expected=before.accuracy,
                since_us=at_us,
            )
