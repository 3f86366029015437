"""Whether it lives, whether it is ready, and the page of metrics."""

from fastapi import FastAPI, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def add(app: FastAPI, parts: Parts) -> None:
    """`/livez` and `/readyz`, which need no key, and `/metrics`."""

    @app.api_route("/livez", methods=["GET", "HEAD"])
    async def livez() -> Response:
        return json_response({"status": "alive"})

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        reason = parts.observer.why_not()
        if reason is not None:
            return json_response({"status": "not ready", "reason": reason}, status=503)
        snapshot = parts.observer.seen.snapshot
        return json_response({"status": "ready", "revision": snapshot.revision if snapshot else None})

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(parts.page.render(), headers={"content-type": METRICS_TYPE})
