"""One request, as it was recorded, with the calibration that judged it: enough to judge it once more."""

import msgspec
from fastapi import FastAPI, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.errors import ApiError
from gateway.store import calibrations
from gateway.store.lookup import find_request
from routing.words import RouteName


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/requests/{request_id}`."""

    @app.get("/admin/v1/routes/{route}/requests/{request_id}")
    def get_request(route: RouteName, request_id: str) -> Response:
        with parts.store.reading() as connection:
            found = find_request(connection, request_id)
            if found is None or found.request["route"] != route:
                raise _not_found(route, request_id, None if found is None else found.request["route"])
            version = found.request["calibration"]
            made_by = None if version is None else calibrations.one(connection, route, version)
        return json_response(
            {
                "route": route,
                "request": found.request,
                "attempts": found.attempts,
                "calibration": None if made_by is None else msgspec.to_builtins(made_by.calibration),
            }
        )


def _not_found(route: str, request_id: str, actual: str | None) -> ApiError:
    sentence = f"request {request_id!r} went to route {actual!r}"
    if actual is None:
        sentence = (
            f"there is no request {request_id!r} of route {route!r}: it is not recorded yet, which takes a second, or "
            "older than store.retention_days"
        )
    return ApiError(404, sentence, code="request_not_found")
