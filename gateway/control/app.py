"""The admin API as one ASGI application: endpoints, and every error in the one shape."""

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from gateway.control.endpoints import (
    calibration,
    cost,
    drift,
    experiment,
    experiment_looks,
    experiments,
    feedback,
    health,
    keys,
    models,
    not_yet,
    records,
    reference,
    requests,
    retraining,
    routes,
    shadow,
    versions,
)
from gateway.control.guard import AdminGuard
from gateway.control.parts import Parts
from gateway.data.guard import AsgiApp
from gateway.errors import INTERNAL_ERROR, ApiError
from gateway.snapshot import errors as refusals
from gateway.store.errors import StoreError

log = logging.getLogger(__name__)

_REFUSALS: dict[type[refusals.ChangeRefused], tuple[int, str, str | None]] = {
    refusals.UnknownRoute: (404, "route_not_found", None),
    refusals.UnknownModel: (404, "model_not_found", None),
    refusals.UnknownArm: (400, "model_not_found", "split"),
    refusals.InvalidSplit: (400, "invalid_value", "split"),
    refusals.InvalidConfidence: (400, "invalid_value", "confidence"),
    refusals.InvalidAudit: (400, "invalid_value", "audit.share"),
    refusals.InvalidShadow: (400, "invalid_value", "shadow.share"),
    refusals.NoFallback: (400, "no_fallback", "fallback"),
    refusals.NoAudit: (400, "no_audit", "audit"),
    refusals.NoShadow: (400, "no_shadow", "shadow"),
    refusals.NoExperiment: (404, "no_experiment", None),
    refusals.WrongState: (409, "wrong_state", None),
    refusals.UnknownKey: (404, "key_not_found", None),
    refusals.KeyExists: (409, "key_exists", "name"),
    refusals.KeyInFile: (409, "key_in_file", None),
    refusals.LastAdminKey: (409, "last_admin_key", None),
    refusals.InvalidKey: (400, "invalid_value", "scopes"),
    refusals.NothingToRollBackTo: (409, "nothing_to_roll_back_to", None),
    refusals.PreconditionFailed: (412, "precondition_failed", None),
}
"""Status, code and parameter of each reason why a change is not published."""


def build_app(parts: Parts) -> AsgiApp:
    """The whole application, its guard outermost."""
    app = FastAPI(title="Fallgate admin", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for endpoints in (
        health,
        keys,
        routes,
        models,
        records,
        requests,
        feedback,
        calibration,
        cost,
        drift,
        experiment,
        experiment_looks,
        experiments,
        shadow,
        reference,
        retraining,
        versions,
    ):
        endpoints.add(app, parts)
    not_yet.add(app)
    _add_handlers(app)
    return AdminGuard(app, parts.clock, lambda: parts.observer.seen.keys)


def _add_handlers(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Request, Any], Response]] = {
        ApiError: lambda request, error: _answer(error),
        HTTPException: lambda request, error: _answer(_framework_error(app, request, error)),
        RequestValidationError: lambda request, error: _answer(_query_error(error)),
        refusals.ChangeRefused: lambda request, error: _answer(_refusal(error)),
        StoreError: lambda request, error: _answer(_store_error(error)),
        Exception: lambda request, error: _answer(INTERNAL_ERROR),
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _answer(error: ApiError) -> Response:
    headers = {name.decode(): value.decode() for name, value in error.headers}
    return Response(error.body(), status_code=error.status, headers=headers, media_type="application/json")


def _framework_error(app: FastAPI, request: Request, error: HTTPException) -> ApiError:
    path, method = request.scope["path"], request.method
    if error.status_code == 404:
        return ApiError(404, f"there is nothing at {path}", code="unknown_url")
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods_at(app, request)))
        return ApiError(
            405,
            f"{method} is not for {path}; use {allowed}",
            code="method_not_allowed",
            headers=[(b"allow", allowed.encode())],
        )
    return ApiError(error.status_code, str(error.detail))


def _methods_at(app: FastAPI, request: Request) -> set[str]:
    """All methods that a path has, which the framework looks for only until the first."""
    found = (
        route for route in app.routes if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE
    )
    return {method for route in found for method in route.methods or ()}


def _query_error(error: RequestValidationError) -> ApiError:
    first = error.errors()[0]
    param = str(first["loc"][-1])
    sentence = str(first["msg"]).replace("Input should", "must", 1)
    return ApiError(400, f"{param}: {sentence}", param=param, code="invalid_value")


def _refusal(error: refusals.ChangeRefused) -> ApiError:
    status, code, param = _REFUSALS.get(type(error), (409, "conflict", None))
    if isinstance(error, refusals.InvalidConfidence):
        param = error.field
    return ApiError(status, str(error), code=code, param=param)


def _store_error(error: StoreError) -> ApiError:
    log.warning("%s", error)
    return ApiError(
        503,
        "the store cannot be used now; traffic goes on, and the log says why. If this was a change, read again what is "
        "in force before you repeat it: the store may have been lost after it was made",
        type="api_error",
        code="store_unavailable",
        headers=[(b"retry-after", b"1")],
    )
