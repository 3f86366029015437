"""The data plane's application: the two hot endpoints as plain ASGI, everything else through Starlette."""

from collections.abc import Mapping
from typing import Final, Protocol

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from gateway.data.access import identify, may_infer, unknown_model
from gateway.data.endpoint import CompletionsEndpoint, Plane, not_ready
from gateway.data.feedback import FeedbackEndpoint, FeedbackPlane
from gateway.data.guard import HEAD_KEY, AsgiApp, Receive, RequestHead, Scope, Send, WireGuard
from gateway.data.live import Live
from gateway.errors import ApiError
from gateway.snapshot.document import KeyEntry

NOT_YET: Final = ("/v1/embeddings",)


class DataPlane(Plane, FeedbackPlane, Protocol):
    """What the application needs of its process."""

    is_draining: bool

    def refuse(self) -> None:
        """A request was refused before it became an exchange."""


def build_app(plane: DataPlane) -> AsgiApp:
    """The application, guard outermost. It reads `plane.live` anew for every request."""
    chat, text = (CompletionsEndpoint(plane, is_chat=is_chat) for is_chat in (True, False))
    cold = _cold_app(plane)
    hot: Mapping[str, AsgiApp] = {"/v1/chat/completions": chat, "/v1/completions": text}

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's middleware and routing cost a tenth of a request; these two paths are all of the traffic.
        endpoint = hot.get(scope.get("path", ""))
        await (cold if endpoint is None else endpoint)(scope, receive, send)

    return WireGuard(dispatch, plane.clock, plane.refuse)


def _cold_app(plane: DataPlane) -> AsgiApp:
    """A router and nothing around it: errors are the guard's to answer."""
    views = _Views(plane)
    router = Router(
        [
            Route("/livez", views.livez),
            Route("/readyz", views.readyz),
            Route("/v1/models", views.models),
            Route("/v1/models/{name:path}", views.model),
            Route("/v1/feedback", FeedbackEndpoint(plane), methods=["POST"]),
        ],
        redirect_slashes=False,
        default=_unknown,
    )

    async def cold(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = router  # makes the router raise its refusals instead of answering in plain text
        try:
            await router(scope, receive, send)
        except HTTPException as error:
            headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
            raise ApiError(error.status_code, f"{scope['method']} is not allowed here", headers=headers) from error

    return cold


class _Views:
    """The endpoints that are not hot."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def livez(self, request: Request) -> Response:
        return _json({"status": "ok"}, request)

    async def readyz(self, request: Request) -> Response:
        plane = self._plane
        if plane.is_draining or plane.live is None:
            return _json({"status": "draining" if plane.is_draining else "no configuration yet"}, request, 503)
        return _json({"status": "ready", "revision": plane.live.revision}, request)

    async def models(self, request: Request) -> Response:
        live, key = self._admitted(request)
        names = [name for name in live.routes if may_infer(key, name)]
        return _json({"object": "list", "data": [_model(name, live) for name in names]}, request)

    async def model(self, request: Request) -> Response:
        live, key = self._admitted(request)
        name = request.path_params["name"]
        if name not in live.routes or not may_infer(key, name):
            raise unknown_model(name)
        return _json(_model(name, live), request)

    def _admitted(self, request: Request) -> tuple[Live, KeyEntry]:
        live = self._plane.live
        if live is None:
            raise not_ready()
        return live, identify(live, _head(request))


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    sentence = "is not built yet" if path in NOT_YET else "does not exist here"
    raise ApiError(
        404,
        f"{path[:200]} {sentence}; this gateway answers /v1/chat/completions, /v1/completions, /v1/models and "
        "/v1/feedback",
        code="unknown_url",
    )


def _head(request: Request) -> RequestHead:
    head: RequestHead = request.scope[HEAD_KEY]
    return head


def _model(name: str, live: Live) -> dict[str, object]:
    return {"id": name, "object": "model", "created": live.created_s, "owned_by": "fallgate"}


def _json(value: object, request: Request, status: int = 200) -> Response:
    headers = {"x-request-id": _head(request).request_id}
    return Response(orjson.dumps(value), status, headers, media_type="application/json")
