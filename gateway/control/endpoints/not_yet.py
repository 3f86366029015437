"""Endpoints that have their place and are not built yet."""

from fastapi import FastAPI, Request, Response

from gateway.errors import ApiError

PATHS = ("/",)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def add(app: FastAPI) -> None:
    """404 with a sentence, whatever the method."""

    def not_yet(request: Request) -> Response:
        raise ApiError(404, f"{request.scope['path']} is not built yet", code="not_yet")

    for path in PATHS:
        app.add_api_route(path, not_yet, methods=_METHODS)
