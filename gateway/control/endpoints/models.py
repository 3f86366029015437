"""Models: what they cost, where they come from, and the switch that takes one out of traffic."""

from fastapi import FastAPI, Response

from gateway.control import bodies
from gateway.control.endpoints.wire import Caller, RawBody, json_response
from gateway.control.parts import Parts
from gateway.control.views import Json, model_view
from gateway.errors import ApiError
from gateway.snapshot.document import Document
from gateway.snapshot.overlay import OverlayScope
from gateway.store import overlays, versions
from routing.words import ModelName


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/models` and all below it."""

    @app.get("/admin/v1/models")
    def list_models() -> Response:
        snapshot = parts.newest()
        names = sorted(snapshot.document.models)
        return json_response({"revision": snapshot.revision, "models": _views(parts, snapshot.document, names)})

    @app.patch("/admin/v1/models/{model}")
    def patch_model(model: ModelName, key: Caller, raw: RawBody) -> Response:
        _check_known(model, parts.newest().document)
        body = bodies.parse(raw, bodies.ModelBody)
        snapshot = parts.publisher.change_model(model, body.enabled, key.name, body.reason)
        parts.observer.learn(snapshot)
        [view] = _views(parts, snapshot.document, [model])
        return json_response({"revision": snapshot.revision, **view})


def _views(parts: Parts, document: Document, names: list[ModelName]) -> list[Json]:
    known = {version.model: version for version in versions.listing(parts.store)}
    changed = [overlay for overlay in overlays.listing(parts.store) if overlay.scope is OverlayScope.MODEL]
    return [
        model_view(
            name,
            document,
            version=known.get(name),
            overlays=[overlay for overlay in changed if overlay.name == name],
        )
        for name in names
    ]


def _check_known(model: ModelName, document: Document) -> None:
    if model not in document.models:
        known = ", ".join(sorted(document.models))
        raise ApiError(404, f"there is no model {model!r}; there are {known}", code="model_not_found")
