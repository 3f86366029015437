"""Clients' keys: which there are, one more, one less. A secret is shown once, to whoever makes the key."""

from fastapi import FastAPI, Response

from gateway.control import bodies
from gateway.control.endpoints.wire import Caller, RawBody, json_response
from gateway.control.parts import Parts
from gateway.control.views import Json
from gateway.store import keys


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/keys` and all below it."""

    @app.get("/admin/v1/keys")
    def list_keys() -> Response:
        newest = parts.newest()
        with parts.store.reading() as connection:
            made = keys.made_us(connection)
        shown: list[Json] = [
            {
                "name": key.name,
                "scopes": sorted(key.scopes),
                "tenant": key.tenant,
                "source": "store" if key.name in made else "file",
                "created_us": made.get(key.name),
            }
            for key in newest.document.keys
        ]
        return json_response({"revision": newest.revision, "keys": shown})

    @app.post("/admin/v1/keys")
    def post_key(key: Caller, raw: RawBody) -> Response:
        body = bodies.parse(raw, bodies.KeyBody)
        made, snapshot = parts.publisher.add_key(
            body.name, body.scopes, tenant=body.tenant, who=key.name, reason=body.reason
        )
        parts.observer.learn(snapshot)
        shown = {"name": made.name, "secret": made.secret, "scopes": list(made.scopes), "tenant": body.tenant}
        return json_response({"revision": snapshot.revision, **shown}, status=201)

    @app.delete("/admin/v1/keys/{name}")
    def delete_key(name: str, key: Caller, raw: RawBody) -> Response:
        body = bodies.parse(raw, bodies.ReasonBody)
        snapshot = parts.publisher.revoke_key(name, who=key.name, reason=body.reason)
        parts.observer.learn(snapshot)
        return json_response({"revision": snapshot.revision, "name": name})
