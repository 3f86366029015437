"""Versions: where each comes from, who promoted it, and what its traffic is compared with."""

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.control import bodies
from gateway.control.endpoints.wire import Caller, RawBody, json_response
from gateway.control.parts import Parts
from gateway.control.views import Json
from gateway.errors import ApiError
from gateway.settings.lineage import Lineage
from gateway.snapshot.document import Document, KeyEntry
from gateway.store import audit, versions
from gateway.store.promotions import Promotion, promotions
from gateway.store.reference_states import reference_states
from gateway.store.versions import VersionRecord
from routing.words import ModelName


class LineageBody(BaseModel):
    """A lineage, as its file has it, and why it is registered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lineage: dict[str, Any]
    reason: bodies.Reason | None = None


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/versions`, and the lineage of a model."""

    @app.get("/admin/v1/versions")
    def list_versions() -> Response:
        newest = parts.newest()
        known = versions.listing(parts.store)
        return json_response(
            {"revision": newest.revision, "versions": [_view(parts, one, newest.document) for one in known]}
        )

    @app.get("/admin/v1/versions/{model}")
    def get_version(model: ModelName) -> Response:
        newest = parts.newest()
        found = next((one for one in versions.listing(parts.store) if one.model == model), None)
        if found is None:
            raise _unknown(model, newest.document)
        return json_response({"revision": newest.revision, **_whole(parts, found, newest.document)})

    @app.put("/admin/v1/models/{model}/lineage")
    def put_lineage(model: ModelName, key: Caller, raw: RawBody) -> Response:
        newest = parts.newest()
        check_known(model, newest.document)
        is_new = _register(parts, model, key, bodies.parse(raw, LineageBody))
        found = next(one for one in versions.listing(parts.store) if one.model == model)
        whole = _whole(parts, found, newest.document)
        return json_response({"revision": newest.revision, "changed": is_new, "note": _note(parts, model), **whole})


def check_known(model: ModelName, document: Document) -> None:
    """Refuse what is no model. Raises `ApiError`, 404."""
    if model not in document.models:
        known = ", ".join(sorted(document.models))
        raise ApiError(404, f"there is no model {model!r}; there are {known}", code="model_not_found")


def _register(parts: Parts, model: ModelName, key: KeyEntry, body: LineageBody) -> bool:
    lineage = _checked(body.lineage).model_dump(mode="json", exclude_none=True)
    at_us = parts.clock()
    with parts.store.writing() as connection:
        is_new = versions.put(connection, model, lineage, at_us)
        if is_new:
            detail = {"model": model, "dataset_sha256": (lineage.get("dataset") or {}).get("sha256")}
            audit.append(
                connection,
                at_us=at_us,
                who=key.name,
                action="register",
                route=None,
                reason=body.reason,
                detail=detail,
                revision=None,
            )
    return is_new


def _checked(said: dict[str, Any]) -> Lineage:
    try:
        return Lineage.model_validate(_plain(said))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(["lineage", *map(str, first["loc"])])
        raise ApiError(400, f"{where}: {first['msg']}", param=where, code="invalid_value") from None


def _plain(value: Any) -> Any:  # JSON of any shape
    """The figures of an evaluation are as exact as a float, whatever the body was read as.

    Raises:
        ApiError: 400, something in it is no text that can be kept.
    """
    if isinstance(value, str) and any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value):
        raise ApiError(400, "lineage: has a character that is no text", param="lineage", code="invalid_value")
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _note(parts: Parts, model: ModelName) -> str | None:
    """What to know of a registration that will not last; `None` where it will."""
    loaded = parts.leader.file.loaded
    configured = None if loaded is None else loaded.config.models.get(model)
    if configured is None or configured.lineage is None:
        return None
    return f"the configuration names {configured.lineage!r} as its lineage, which counts again when the file is read"


def _view(parts: Parts, version: VersionRecord, document: Document) -> Json:
    """What a list shows."""
    said = version.lineage
    with parts.store.reading() as connection:
        promoted = promotions(connection, version.model)
        references = reference_states(connection, version.model)
    return {
        "model": version.model,
        "version": said.get("version"),
        "base_model": version.base_model,
        "dataset_sha256": version.dataset_sha256,
        "evaluation": said.get("evaluation", {}),
        "created": said.get("created"),
        "registered_us": version.registered_us,
        "configured": version.model in document.models,
        "arm_of": [route for route, entry in document.routes.items() if version.model in entry.split],
        "references": [asdict(one) for one in references],
        "promoted": _latest(promoted),
    }


def _whole(parts: Parts, version: VersionRecord, document: Document) -> Json:
    with parts.store.reading() as connection:
        promoted = promotions(connection, version.model)
    return {
        **_view(parts, version, document),
        "lineage": version.lineage,
        "promotions": [asdict(one) for one in promoted],
    }


def _latest(promoted: Sequence[Promotion]) -> Json | None:
    return asdict(promoted[0]) if promoted else None


def _unknown(model: ModelName, document: Document) -> ApiError:
    if model in document.models:
        sentence = f"{model!r} is not registered: give it a lineage, in the file or with `fallgate versions register`"
        return ApiError(404, sentence, code="version_not_found")
    known = ", ".join(sorted(document.models))
    return ApiError(404, f"there is no version {model!r}; models are {known}", code="version_not_found")
