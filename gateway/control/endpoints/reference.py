"""What a version's requests are compared with: summaries of its training set, uploaded once."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from gateway.control.endpoints.versions import check_known
from gateway.control.endpoints.wire import Caller, json_response, read_body
from gateway.control.parts import Parts
from gateway.control.reference_body import MAX_BYTES, ReferenceBody, read_reference
from gateway.snapshot.document import KeyEntry
from gateway.store import audit, drift, versions
from gateway.store.drift import ALL_ROUTES, StoredReference
from routing.drift.features import Side
from routing.words import ModelName

TRAINING = "training"


async def _read(request: Request) -> bytes:
    return await read_body(request, MAX_BYTES)


LargeBody = Annotated[bytes, Depends(_read)]


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/models/{model}/reference`."""

    @app.put("/admin/v1/models/{model}/reference")
    def put_reference(model: ModelName, key: Caller, raw: LargeBody) -> Response:
        check_known(model, parts.newest().document)
        body = read_reference(raw)
        stored = _stored(model, body, parts.clock())
        _keep(parts, stored, key, body.reason)
        wanted = next((one.dataset_sha256 for one in versions.listing(parts.store) if one.model == model), None)
        return json_response(
            {
                "model": model,
                "rows": body.rows,
                "n": stored.n,
                "chunks": len(stored.chunks),
                "dataset_sha256": body.dataset_sha256,
                "dataset_matches": None if wanted is None else wanted == body.dataset_sha256,
                "lineage_sha256": wanted,
            }
        )


def _stored(model: ModelName, body: ReferenceBody, at_us: int) -> StoredReference:
    chunks = body.summaries()
    return StoredReference(
        route=ALL_ROUTES,
        model=model,
        side=Side.INPUT,
        source=TRAINING,
        made_us=at_us,
        n=sum(chunk.inputs for chunk in chunks),
        chunks=chunks,
        about={"dataset_sha256": body.dataset_sha256, "rows": body.rows},
    )


def _keep(parts: Parts, reference: StoredReference, key: KeyEntry, reason: str | None) -> None:
    detail = {"model": reference.model, "n": reference.n, **reference.about}
    with parts.store.writing() as connection:
        drift.put_reference(connection, reference)
        audit.append(
            connection,
            at_us=reference.made_us,
            who=key.name,
            action="reference",
            route=None,
            reason=reason,
            detail=detail,
            revision=None,
        )
