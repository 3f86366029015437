"""The experiment of a route: what was promised, how far it is, and what operators may do with it."""

import time
from collections.abc import Callable
from typing import Annotated, NamedTuple

from fastapi import FastAPI, Header, Response
from sqlalchemy import Connection

from gateway.control import bodies, preconditions
from gateway.control.endpoints.wire import Caller, RawBody, json_response
from gateway.control.experiment_view import listing_view, planned_view, started_view
from gateway.control.parts import Parts
from gateway.control.views import Json
from gateway.errors import ApiError
from gateway.snapshot.change import route_etag
from gateway.snapshot.document import KeyEntry, RouteEntry, Snapshot
from gateway.snapshot.experiments import no_experiment
from gateway.snapshot.publish import Published
from gateway.store import experiments
from gateway.store.experiments import StoredExperiment
from routing.experiment.contract import Contract
from routing.words import RouteName

IfMatch = Annotated[str | None, Header()]
Move = Callable[..., Published]


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/experiment` and all below it."""
    bench = _Bench(parts)

    @app.get("/admin/v1/routes/{route}/experiment")
    def get_experiment(route: RouteName, name: str | None = None) -> Response:
        return bench.show(route, parts.newest(), name)

    @app.post("/admin/v1/routes/{route}/experiment/start")
    def post_start(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        return bench.change(route, _Asked(key, raw, if_match), parts.publisher.start_experiment)

    @app.post("/admin/v1/routes/{route}/experiment/pause")
    def post_pause(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        return bench.change(route, _Asked(key, raw, if_match), parts.publisher.pause)

    @app.post("/admin/v1/routes/{route}/experiment/resume")
    def post_resume(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        return bench.change(route, _Asked(key, raw, if_match), parts.publisher.resume)

    @app.post("/admin/v1/routes/{route}/experiment/abort")
    def post_abort(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        since_s = time.monotonic()
        return bench.change(
            route,
            _Asked(key, raw, if_match),
            parts.publisher.abort,
            then=lambda revision: parts.observer.time_rollback(route, revision, since_s),
        )


class _Asked(NamedTuple):
    """Who asks, with what, and what it is based on."""

    key: KeyEntry
    raw: bytes
    if_match: str | None


class _Bench:
    """Where experiments are shown and changed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def show(self, route: RouteName, snapshot: Snapshot, name: str | None = None) -> Response:
        """The experiment that the route has, or an earlier one by its name, with the tag of the route."""
        entry = _entry(route, snapshot)
        with self._parts.store.reading() as connection:
            found = self._view(connection, route, entry, name)
            found["experiments"] = listing_view(experiments.listing(connection, route))
        etag = route_etag(entry)
        head: Json = {"route": route, "revision": snapshot.revision, "etag": etag}
        return json_response(head | found, etag=etag)

    def change(
        self, route: RouteName, asked: _Asked, move: Move, then: Callable[[int], None] | None = None
    ) -> Response:
        """Change it. The route's existence and `If-Match` come first, then the body; `then` is given the revision."""
        entry = _entry(route, self._parts.newest())
        expected = preconditions.expected_etag(asked.if_match, route_etag(entry))
        reason = bodies.parse(asked.raw, bodies.ReasonBody).reason
        published = move(route, who=asked.key.name, reason=reason, expected_etag=expected)
        self._parts.observer.learn(published.snapshot)
        if then is not None:
            then(published.snapshot.revision)
        # One that has left the file is gone from the route once it is over.
        name = None if entry.experiment is None else entry.experiment.name
        return self.show(route, published.snapshot, name)

    def _view(self, connection: Connection, route: RouteName, entry: RouteEntry, name: str | None) -> Json:
        wanted = name if name is not None else entry.experiment.name if entry.experiment is not None else None
        if wanted is None:
            raise no_experiment(route)
        stored = _stored(connection, route, wanted)
        if stored is not None:
            steps = experiments.steps(connection, stored.id)
            return started_view(stored, steps, experiments.newest_result(connection, stored.id))
        planned = self._planned(route)
        if planned is None or planned.name != wanted:
            raise ApiError(404, f"route {route!r} has no experiment {wanted!r}", param="name", code="no_experiment")
        return planned_view(planned)

    def _planned(self, route: RouteName) -> Contract | None:
        file = self._parts.file_in_force()
        return None if file is None or route not in file.routes else file.routes[route].experiment


def _stored(connection: Connection, route: RouteName, name: str) -> StoredExperiment | None:
    # No experiment is called that, and PostgreSQL does not even look for it.
    return None if "\0" in name else experiments.one(connection, route, name)


def _entry(route: RouteName, snapshot: Snapshot) -> RouteEntry:
    entry = snapshot.document.routes.get(route)
    if entry is None:
        known = ", ".join(sorted(snapshot.document.routes))
        raise ApiError(404, f"there is no route {route!r}; there are {known}", code="route_not_found")
    return entry
