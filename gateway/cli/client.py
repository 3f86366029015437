"""What commands need to talk to a running gateway: its address and key, its answers, and its failures in a sentence."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import typer

DEFAULT_URL = "http://127.0.0.1:8081"
TIMEOUT_S = 15.0
IN_FORCE_TIMEOUT_S = 10.0
IN_FORCE_POLL_S = 0.02

Json = dict[str, Any]


class AdminFailure(Exception):
    """Why the gateway did not do what was asked; the message is for whoever typed the command."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """How a revision came into force."""

    workers: int
    behind: tuple[str, ...]
    """Writer ids of live workers that did not report it in time."""
    after_ms: int | None
    """From the beginning of the change; `None` where there are no workers, or some are behind."""


class AdminClient:
    """A running gateway's admin API."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._http = httpx.Client(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=TIMEOUT_S, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "AdminClient":
        """The gateway at `FALLGATE_ADMIN_URL`, with the key in `FALLGATE_ADMIN_KEY`.

        Raises:
            AdminFailure: there is no key, or one of the two cannot be used.
        """
        key = environ.get("FALLGATE_ADMIN_KEY", "")
        if not key:
            raise AdminFailure("FALLGATE_ADMIN_KEY is not set; put the secret of a key with the scope admin there")
        if not all("!" <= char <= "~" for char in key):
            raise AdminFailure("FALLGATE_ADMIN_KEY holds spaces or other characters that no key has")
        url = environ.get("FALLGATE_ADMIN_URL") or DEFAULT_URL
        try:
            return cls(url, key)
        except (httpx.InvalidURL, ValueError) as error:
            raise AdminFailure(f"FALLGATE_ADMIN_URL is not an address: {error}") from None

    def route(self, name: str) -> Json:
        """A route as it is in force, with its `etag`."""
        return self._ask("GET", f"/admin/v1/routes/{quote(name, safe='')}")

    def labels(self, route: str, *, days: int) -> Json:
        """How many requests a route had in the last days, and what they were found to be worth, by arm."""
        return self._ask("GET", f"/admin/v1/routes/{quote(route, safe='')}/labels?days={days}")

    def request(self, route: str, request_id: str) -> Json:
        """A request of a route as it was recorded, with its attempts and the calibration that judged it."""
        return self._ask("GET", f"/admin/v1/routes/{quote(route, safe='')}/requests/{quote(request_id, safe='')}")

    def cost(self, route: str, *, days: int) -> Json:
        """What a route cost in the last days, and what it saved."""
        return self._ask("GET", f"/admin/v1/routes/{quote(route, safe='')}/cost?days={days}")

    def experiment(self, route: str) -> Json:
        """The experiment of a route: its contract, how far it is and what was seen last."""
        return self._ask("GET", f"/admin/v1/routes/{quote(route, safe='')}/experiment")

    def drift(self, route: str) -> Json:
        """What of a route has moved, by arm."""
        return self._ask("GET", f"/admin/v1/routes/{quote(route, safe='')}/drift")

    def experiment_looks(self, route: str, name: str) -> Json:
        """What was seen of the primary metric of an experiment over time."""
        path = f"/admin/v1/routes/{quote(route, safe='')}/experiment/looks?name={quote(name, safe='')}"
        return self._ask("GET", path)

    def audit(self, route: str) -> list[Json]:
        """All that was changed on a route, the latest first."""
        found: list[Json] = []
        path: str | None = f"/admin/v1/audit?limit=1000&route={quote(route, safe='')}"
        while path is not None:
            page = self._ask("GET", path)
            found += page["entries"]
            following = page["next_before_id"]
            path = path.partition("&before_id=")[0] + f"&before_id={following}" if following is not None else None
        return found

    def get(self, things: str, name: str | None = None) -> Json:
        """All of a kind, such as `/versions`, or the one of a name."""
        return self._ask("GET", f"/admin/v1{things}" + ("" if name is None else f"/{quote(name, safe='')}"))

    def put(self, things: str, name: str, path: str, body: Json) -> Json:
        """Give something that belongs to one of a kind, such as a model's `/lineage`."""
        return self._ask("PUT", f"/admin/v1{things}/{quote(name, safe='')}{path}", body=body)

    def post(self, things: str, body: Json) -> Json:
        """Make one more of a kind, such as `/keys`."""
        return self._ask("POST", f"/admin/v1{things}", body=body)

    def delete(self, things: str, name: str, body: Json) -> Json:
        """Take away the one of a name."""
        return self._ask("DELETE", f"/admin/v1{things}/{quote(name, safe='')}", body=body)

    def change(self, method: str, route: str, path: str, etag: str, body: Json) -> Json:
        """Change a route that was read with this tag; the route as it is then."""
        return self._ask(method, f"/admin/v1/routes/{quote(route, safe='')}{path}", {"if-match": etag}, body)

    def wait_in_force(self, revision: int, since_s: float) -> InForce:
        """Wait until every live worker reports `revision`; `since_s` is when the change began, monotonic."""
        deadline_s = time.monotonic() + IN_FORCE_TIMEOUT_S
        while True:
            workers = self._ask("GET", "/admin/v1/workers")["workers"]
            behind = tuple(worker["writer_id"] for worker in workers if worker["revision"] < revision)
            now_s = time.monotonic()
            if not behind or now_s > deadline_s:
                after_ms = None if behind or not workers else round((now_s - since_s) * 1000)
                return InForce(workers=len(workers), behind=behind, after_ms=after_ms)
            time.sleep(IN_FORCE_POLL_S)

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Json | None = None) -> Json:
        try:
            answer = self._http.request(method, path, headers=headers, json=body)
        except httpx.TimeoutException:
            raise AdminFailure(f"the admin API at {self._url} did not answer within {TIMEOUT_S:g} s") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise AdminFailure(f"FALLGATE_ADMIN_URL is not an http address: {error}") from None
        except httpx.TransportError as error:
            raise AdminFailure(
                f"the admin API at {self._url} cannot be reached ({error}); is `fallgate serve` running, "
                "and is FALLGATE_ADMIN_URL its server.admin_listen?"
            ) from None
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Json:
        try:
            body = answer.json()
            if answer.is_success and isinstance(body, dict):
                return body
            error = body["error"]
            message, code = str(error["message"]), error["code"]
        except (ValueError, KeyError, TypeError):
            raise AdminFailure(
                f"{self._url} answers, but not as an admin API (status {answer.status_code}); check FALLGATE_ADMIN_URL"
            ) from None
        raise AdminFailure(_advice(answer.status_code, message), code)


def _advice(status: int, message: str) -> str:
    if status == 401:
        return "the gateway does not know the key in FALLGATE_ADMIN_KEY"
    if status == 403:
        return f"{message}; FALLGATE_ADMIN_KEY needs a key with the scope admin"
    if status == 412:
        return "somebody else changed the route at the same moment, and nothing was changed; look, then run this again"
    return message


def run(command: str, act: Callable[[AdminClient], Json], show: Callable[[Json], None], *, as_json: bool) -> None:
    """Do something with the running gateway and show what came of it.

    Exit 1 with a sentence on failure; with `as_json` standard output is one object either way, whose `ok` tells.
    """
    try:
        with AdminClient.from_environment() as client:
            found = act(client)
    except AdminFailure as failure:
        found = {"ok": False, "error": {"message": str(failure), "code": failure.code}}
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    elif "error" not in found:
        show(found)
    if not found["ok"]:
        if not as_json:
            print(f"fallgate {command}: {found['error']['message']}", file=sys.stderr)
        raise typer.Exit(1)
