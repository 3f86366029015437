"""The simulated upstream itself: its models, its sockets, and what each path answers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web

from serving.simulated.asked import Endpoint, Rejected, parse_asked, parse_body
from serving.simulated.breaking import choose_fault, respond
from serving.simulated.configuration import describe, patched
from serving.simulated.delivery import SIGNATURE, deliver
from serving.simulated.faults import Fault
from serving.simulated.listening import Listener
from serving.simulated.planning import CREATED
from serving.simulated.reply import JSON, Reply, whole
from serving.simulated.script import ModelScript
from serving.simulated.seen import Call, Ended, Seen, SeenRequest

OWNER: Final = "fallgate-simulated"
FAULT_HEADER: Final = "x-simulate-fault"
_ENDPOINTS: Final = {endpoint.value: endpoint for endpoint in Endpoint}
_MODELS: Final = "/v1/models"
_SCRIPTS: Final = "/simulate/models/"


class SimulatedUpstream:
    """An OpenAI-compatible server whose models are scripts.

    It may be stopped and started again, at the same port too; what it saw stays.
    """

    def __init__(self, scripts: Iterable[ModelScript], *, keep_calls: int = 10_000) -> None:
        self._scripts = {script.name: script for script in scripts}
        self.seen = Seen(keep=keep_calls)
        self._listener: Listener | None = None
        self.host = "127.0.0.1"
        self.port = 0

    @property
    def root_url(self) -> str:
        """Where the server is, without `/v1`."""
        return f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.root_url}/v1"

    @property
    def models(self) -> Mapping[str, ModelScript]:
        """The scripts by model name."""
        return MappingProxyType(self._scripts)

    def rescript(self, name: str, **changes: Any) -> ModelScript:  # Any: the fields of ModelScript, checked by it
        """Change a model's script while it runs; takes the fields of `ModelScript`, faults also as texts."""
        if "faults" in changes:
            faults = (fault if isinstance(fault, Fault) else Fault.parse(fault) for fault in changes["faults"])
            changes["faults"] = tuple(faults)
        self._scripts[name] = replace(self._scripts[name], **changes)
        return self._scripts[name]

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Port 0 takes a free one, which `port` then tells. Raises OSError when the port is taken."""
        self._listener = Listener(self._handle, self.seen)
        self.host, self.port = host, await self._listener.open(host, port)

    async def stop(self) -> None:
        """Stop listening and end all connections, whatever is still in flight."""
        if self._listener is None:
            return
        for call in self.seen.calls:
            call.ended = call.ended or Ended.STOPPED
        await self._listener.close()
        self._listener = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        self.seen.note_path(path)
        endpoint = _ENDPOINTS.get(path)
        if endpoint is not None:
            if request.method != "POST":
                return _json({"detail": "Method Not Allowed"}, status=405)
            return await self._answer(request, endpoint)
        if path.startswith(_SCRIPTS):
            return await self._change(request, path.removeprefix(_SCRIPTS))
        return self._look_up(path)

    async def _answer(self, request: web.BaseRequest, endpoint: Endpoint) -> web.StreamResponse:
        assert self._listener is not None
        raw = await request.read()
        connection = self._listener.connection(request)
        try:
            body = parse_body(raw)
        except Rejected as error:
            return _refused(error)
        seen = SeenRequest(path=request.path, headers=request.headers, body=body, connection=connection.number)
        with self.seen.call(seen) as call:
            reply = self._reply(endpoint, call, is_reused=connection.count_request() > 1)
            try:
                return await deliver(request, reply, call)
            except ConnectionError:
                call.ended = call.ended or Ended.CLIENT_GONE
                return web.Response()  # aiohttp wants one; nobody is there to read it

    def _reply(self, endpoint: Endpoint, call: Call, *, is_reused: bool) -> Reply:
        request = call.request
        try:
            script = self._script(request.model)
            request_id = request.headers.get("x-request-id") or f"{self.seen.models.total():032x}"
            asked = parse_asked(endpoint, request.body, request_id)
            fault = choose_fault(script, asked, _wanted_fault(request.headers), is_reused=is_reused)
            call.fault = None if fault is None else fault.name
            return respond(script, asked, fault)
        except Rejected as error:
            call.ended = Ended.REJECTED
            return whole(error.body(), status=error.status)

    def _script(self, name: str) -> ModelScript:
        script = self._scripts.get(name)
        if script is None:
            raise Rejected(f"The model `{name}` does not exist.", status=404, param="model")
        return script

    async def _change(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        try:
            script = self._script(name)
            if request.method == "POST":
                script = self._scripts[name] = patched(script, parse_body(await request.read()))
        except Rejected as error:
            return _refused(error)
        except ValueError as error:
            return _refused(Rejected(str(error)))
        return _json(describe(script))

    def _look_up(self, path: str) -> web.StreamResponse:
        if path.startswith(f"{_MODELS}/"):
            try:
                return _json(_card(self._script(path.removeprefix(f"{_MODELS}/"))))
            except Rejected as error:
                return _refused(error)
        match path:
            case "/health" | "/ping":
                return _body(b"")
            case "/version":
                return _json({"version": OWNER})
            case "/v1/models":
                return _json({"object": "list", "data": [_card(script) for script in self._scripts.values()]})
            case "/simulate/seen":
                return _json(self.seen.summary())
            case "/simulate/redirected":  # where the fault `redirect` points to
                return _json({"detail": "somebody followed a redirect"})
            case _:
                return _json({"detail": "Not Found"}, status=404)


def _wanted_fault(headers: Mapping[str, str]) -> Fault | None:
    wanted = headers.get(FAULT_HEADER)
    try:
        return None if wanted is None else Fault.parse(wanted)
    except ValueError as error:
        raise Rejected(f"{FAULT_HEADER}: {error}") from None


def _card(script: ModelScript) -> dict[str, Any]:
    return {
        "id": script.name,
        "object": "model",
        "created": CREATED,
        "owned_by": OWNER,
        "root": script.name,
        "parent": None,
        "max_model_len": script.max_model_len,
        "permission": [],
    }


def _refused(error: Rejected) -> web.Response:
    return _body(error.body(), status=error.status)


def _json(body: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return _body(orjson.dumps(body), status=status)


def _body(body: bytes, *, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={**SIGNATURE, **JSON})
