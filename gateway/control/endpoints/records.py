"""What happened and what runs: the audit and the workers."""

from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Query, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.observer import WORKER_AGE_S
from gateway.control.parts import Parts
from gateway.control.views import worker_view
from gateway.store import audit, workers

MAX_PAGE = 1000
_MAX_ID = 2**63 - 1


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/audit` and `/admin/v1/workers`."""

    @app.get("/admin/v1/audit")
    def get_audit(
        route: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
        before_id: Annotated[int | None, Query(ge=1, le=_MAX_ID)] = None,
    ) -> Response:
        found = audit.entries(parts.store, route=route, limit=limit, before_id=before_id)
        following = found[-1].id if len(found) == limit else None
        return json_response({"entries": [asdict(entry) for entry in found], "next_before_id": following})

    @app.get("/admin/v1/workers")
    def get_workers() -> Response:
        now_us = parts.clock()
        revision = parts.newest().revision
        alive = workers.live(parts.store, now_us, WORKER_AGE_S)
        return json_response(
            {
                "revision": revision,
                "workers": [worker_view(worker, now_us) for worker in alive],
            }
        )
