"""Routes: what they do with their traffic, and every way to change it while it flows."""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Header, Response

from gateway.control import bodies, preconditions
from gateway.control.endpoints.wire import Caller, RawBody, json_response
from gateway.control.parts import Parts
from gateway.control.views import Json, route_view
from gateway.errors import ApiError
from gateway.snapshot.change import ClearOverlay, PolicyChange, RollBack, RouteChange, SplitChange, route_etag
from gateway.snapshot.document import Document, KeyEntry, RouteEntry, Snapshot
from gateway.store import calibrations, overlays
from routing.words import ModelName, RouteName

IfMatch = Annotated[str | None, Header()]


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes` and all below it."""
    desk = _Desk(parts)

    @app.get("/admin/v1/routes")
    def list_routes() -> Response:
        return json_response({"routes": desk.views(parts.newest())})

    @app.get("/admin/v1/routes/{route}")
    def get_route(route: RouteName) -> Response:
        return desk.show(route, parts.newest())

    @app.put("/admin/v1/routes/{route}/split")
    def put_split(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        def read(document: Document, entry: RouteEntry) -> tuple[RouteChange, str | None]:
            body = bodies.parse(raw, bodies.SplitBody)
            _check_arms(body.split, document)
            return SplitChange(split={ModelName(arm): share for arm, share in body.split.items()}), body.reason

        return desk.change(route, key, if_match, read)

    @app.patch("/admin/v1/routes/{route}")
    def patch_route(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        return desk.change(route, key, if_match, lambda document, entry: _policy(raw, entry))

    @app.delete("/admin/v1/routes/{route}/overlay")
    def delete_overlay(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        return desk.change(
            route, key, if_match, lambda document, entry: (ClearOverlay(), bodies.parse(raw, bodies.ReasonBody).reason)
        )

    @app.post("/admin/v1/routes/{route}/rollback")
    def post_rollback(route: RouteName, key: Caller, raw: RawBody, if_match: IfMatch = None) -> Response:
        since_s = time.monotonic()
        return desk.change(
            route,
            key,
            if_match,
            lambda document, entry: (RollBack(), bodies.parse(raw, bodies.ReasonBody).reason),
            then=lambda revision: parts.observer.time_rollback(route, revision, since_s),
        )


ReadChange = Callable[[Document, RouteEntry], tuple[RouteChange, str | None]]
"""Reads a body against what is in force: the change it asks for, and why."""


class _Desk:
    """Where routes are shown and changed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def views(self, snapshot: Snapshot, only: RouteName | None = None) -> list[Json]:
        """All routes, or one."""
        file = self._parts.file_in_force()
        changed = overlays.listing(self._parts.store)
        with self._parts.store.reading() as connection:
            known = calibrations.qualities(connection)
        names = [only] if only is not None else list(snapshot.document.routes)
        return [
            route_view(
                name,
                snapshot,
                overlays=[overlay for overlay in changed if overlay.scope == "route" and overlay.name == name],
                file_split=file.routes[name].split if file is not None and name in file.routes else None,
                workers=self._parts.observer.seen.workers,
                qualities={arm: quality for (route, arm), quality in known.items() if route == name},
            )
            for name in names
        ]

    def show(self, route: RouteName, snapshot: Snapshot) -> Response:
        """One route with its tag."""
        entry = _entry(route, snapshot)
        return json_response(self.views(snapshot, route)[0], etag=route_etag(entry))

    def change(
        self,
        route: RouteName,
        key: KeyEntry,
        if_match: str | None,
        read: ReadChange,
        then: Callable[[int], None] | None = None,
    ) -> Response:
        """Change one route. Its existence and `If-Match` come first, then the body; `then` is given the revision."""
        before = self._parts.newest()
        entry = _entry(route, before)
        expected = preconditions.expected_etag(if_match, route_etag(entry))
        change, reason = read(before.document, entry)
        published = self._parts.publisher.change_route(
            route, change, who=key.name, reason=reason, expected_etag=expected
        )
        self._parts.observer.learn(published.snapshot)
        if then is not None:
            then(published.snapshot.revision)
        return self.show(route, published.snapshot)


def _entry(route: RouteName, snapshot: Snapshot) -> RouteEntry:
    entry = snapshot.document.routes.get(route)
    if entry is None:
        known = ", ".join(sorted(snapshot.document.routes))
        raise ApiError(404, f"there is no route {route!r}; there are {known}", code="route_not_found")
    return entry


def _check_arms(split: dict[str, int], document: Document) -> None:
    for arm in split:
        if arm not in document.models:
            known = ", ".join(sorted(document.models))
            raise ApiError(
                400, f"split.{arm}: no such model; there are {known}", param=f"split.{arm}", code="model_not_found"
            )


def _policy(raw: bytes, entry: RouteEntry) -> tuple[PolicyChange, str | None]:
    body = bodies.parse(raw, bodies.PolicyBody)
    if entry.fallback is None and (body.fallback or body.confidence):
        field = "fallback" if body.fallback else "confidence"
        sentence = "this route has no fallback; give it one in the file first"
        raise ApiError(400, f"{field}: {sentence}", param=field, code="no_fallback")
    confidence = body.confidence or bodies.ConfidencePatch()
    change = PolicyChange(
        fallback_enabled=body.fallback.enabled if body.fallback else None,
        mode=confidence.mode,
        score=confidence.score,
        minimum=confidence.min,
        share=confidence.share,
        alpha=confidence.alpha,
        delta=confidence.delta,
        value_usd=confidence.value_usd,
        is_frozen=confidence.frozen,
        audit_share=body.audit.share if body.audit else None,
        shadow_share=body.shadow.share if body.shadow else None,
    )
    return change, body.reason
