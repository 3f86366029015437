"""Whether a version is due for training again is looked at every so often, and noted with what has to be told of it."""

import logging
from typing import Final

from sqlalchemy import Connection

from gateway.clock import Clock, now_us
from gateway.control.retraining_facts import Versions, facts_of, policy_of
from gateway.snapshot.document import RouteEntry, Snapshot
from gateway.store import deliveries, retraining, snapshots, versions
from gateway.store.engine import Store
from gateway.webhooks.messages import delivery_of
from routing.drift.retraining import Due, RouteFacts, due_of, judge, newest
from routing.words import RouteName

RETRAINING_EVERY_S: Final = 60.0

log = logging.getLogger(__name__)


class Retraining:
    """Looks at all routes."""

    def __init__(self, store: Store, clock: Clock = now_us) -> None:
        self._store = store
        self._clock = clock
        self._snapshot: Snapshot | None = None

    def run(self) -> bool:
        """Look at each route once; there is never more to do soon."""
        revision = 0 if self._snapshot is None else self._snapshot.revision
        self._snapshot = snapshots.latest(self._store, revision) or self._snapshot
        if self._snapshot is None:
            return False
        routes = self._snapshot.document.routes
        known = {version.model: version for version in versions.listing(self._store)}
        with self._store.writing() as connection:
            retraining.forget_others(connection, list(routes))
        for route, entry in routes.items():
            self._look(route, entry, known)
        return False

    def _look(self, route: RouteName, entry: RouteEntry, known: Versions) -> None:
        at_us = self._clock()
        with self._store.reading() as connection:
            facts = facts_of(connection, route, entry, known, at_us)
            before = retraining.standings(connection).get(route, {})
        after = judge(facts, policy_of(entry.retrain), before, at_us)
        due = [found for reason, standing in after.items() if (found := due_of(facts, reason, standing))]
        with self._store.writing() as connection:
            retraining.put_standings(connection, route, after)
            _keep_baselines(connection, route, facts)
            if entry.retrain.webhook is not None:
                for one in due:
                    deliveries.add(connection, delivery_of(route, one, at_us))
        for one in due:
            was = before.get(one.reason)
            if was is None or was.due_since_us != one.since_us:
                _tell(route, one)


def _keep_baselines(connection: Connection, route: RouteName, facts: RouteFacts) -> None:
    for arm in newest(facts.arms):
        version = route, arm.model, arm.trained_us or 0
        if retraining.kept_audits(connection, *version) is None:
            found = retraining.first_audits(connection, *version)
            if found is not None:
                retraining.keep_first_audits(connection, *version, found)


def _tell(route: RouteName, due: Due) -> None:
    log.warning("route %s: %s (%s)", route, due.sentence, due.reason)
