"""Nothing that a client says becomes a label: a hundred thousand names, users and paths add no series."""

import json
from collections.abc import MutableMapping
from typing import Any, Final

from prometheus_client import generate_latest

from gateway.data.app import build_app
from tests.fakes.asking import CHAT, client
from tests.fakes.gateways import HEADERS, Gateway, document, gateway, route

MANY: Final = 100_000
HEAD: Final = [(b"host", b"gateway"), *((name.encode(), value.encode()) for name, value in HEADERS.items())]


def series(made: Gateway) -> set[str]:
    """What is counted, without the numbers."""
    lines = generate_latest(made.registry).decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


async def _nowhere(message: MutableMapping[str, Any]) -> None:
    """Where answers go."""


def hostile(number: int) -> tuple[dict[str, Any], bytes]:
    """A request with a model, a user and a path that nobody else has."""
    path = CHAT if number % 2 else f"/v1/{number}/completions"
    body = {
        "model": f'support"}}\n{number}', "user": f"user {number}", "messages": [{"role": "user", "content": "hello"}],
    }  # fmt: skip
    user = (b"x-user-id", f"user {number}".encode())
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [*HEAD, user], "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1),
    }  # fmt: skip
    return scope, json.dumps(body).encode()


async def test_hostile_names_users_and_paths_add_no_series() -> None:
    routes = {"support": route({"v1": 10000})}
    async with gateway(document("http://127.0.0.1:1/v1", routes)) as made:
        async with client(made) as asking:  # over a socket; the others go to the same application without one
            for number in (-1, -2):
                scope, content = hostile(number)
                answer = await asking.post(scope["path"], content=content, headers={"x-user-id": f"user {number}"})
                assert answer.status_code == 404
            good = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
            assert (await asking.post(CHAT, json=good)).status_code >= 500
        before, app = series(made), build_app(made)

        for number in range(MANY):
            scope, content = hostile(number)

            async def receive(content: bytes = content) -> dict[str, Any]:
                return {"type": "http.request", "body": content, "more_body": False}

            await app(scope, receive, _nowhere)
        assert made.refused == MANY + 2
        assert series(made) == before
