"""Clients of a gateway for tests, and a stage: a gateway before two simulated models, with somebody who asks."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from msgspec.structs import replace

from gateway.exchange.facts import Exchange
from routing.words import ModelName
from serving.simulated.faults import Fault
from serving.simulated.script import ModelScript
from serving.simulated.upstream import SimulatedUpstream
from tests.fakes.gateways import HEADERS, Gateway, document, gateway, route
from tests.fakes.simulated import simulated

CHAT: Final = "/v1/chat/completions"
TEXT: Final = "/v1/completions"
ARM_TEXT: Final = "The small model says that the parcel will come on Tuesday, and that nobody need be at home for it."
LARGE_TEXT: Final = (
    "A large model found that a refund is due within fourteen days of the day on which it was asked for."
)
QUESTION: Final = {"model": "support", "messages": [{"role": "user", "content": "where is my parcel?"}]}


@dataclass(slots=True)
class Answer:
    """What a client got."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, of the one shape."""
        return error_in(self.body)

    @property
    def payloads(self) -> list[str]:
        """The data of the events of a stream."""
        events = self.body.decode().split("\n\n")
        assert events.pop() == ""
        assert all(event.startswith("data: ") for event in events)
        return [event.removeprefix("data: ") for event in events]

    @property
    def chunks(self) -> list[Any]:
        """The chunks of a stream, parsed, without an error event and the end."""
        parsed = [json.loads(payload) for payload in self.payloads if payload != "[DONE]"]
        return [chunk for chunk in parsed if "error" not in chunk]

    @property
    def text(self) -> str:
        """What the model said, whole or streamed, chat or completion."""
        if "json" in self.headers["content-type"]:
            return "".join(_said(choice.get("message"), choice) for choice in self.json["choices"])
        choices = [choice for chunk in self.chunks for choice in chunk["choices"]]
        return "".join(_said(choice.get("delta"), choice) for choice in choices)

    @property
    def finish_reasons(self) -> list[str]:
        """Of a stream."""
        choices = [choice for chunk in self.chunks for choice in chunk["choices"]]
        return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]

    @property
    def last_error(self) -> dict[str, Any]:
        """The error event with which a stream broke off; `[DONE]` comes after it."""
        *_, broken, done = self.payloads
        assert done == "[DONE]"
        return error_in(broken.encode())


def error_in(body: bytes) -> dict[str, Any]:
    """Take an error apart, and see that it has the one shape."""
    (key, error), *more = json.loads(body).items()
    assert (key, more) == ("error", [])
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert all(error[name] is None or isinstance(error[name], str) for name in ("param", "code"))
    return dict(error)


def _said(message: Mapping[str, Any] | None, choice: Mapping[str, Any]) -> str:
    return str((choice.get("text") if message is None else message.get("content")) or "")


def client(made: Gateway, **options: Any) -> httpx.AsyncClient:
    """A client of a gateway, with a key."""
    return httpx.AsyncClient(base_url=made.url, headers=HEADERS, timeout=15, trust_env=False, verify=False, **options)


async def ask(
    made: Gateway,
    path: str = CHAT,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Answer:
    """Ask once. `fields` are put into a well-formed question; `content` replaces it."""
    question = (
        dict(QUESTION) if path == CHAT else {"model": "support", "prompt": "where is my parcel?", "max_tokens": 100}
    )
    body = json.dumps({**question, **fields}).encode() if content is None else content
    async with client(made) as asking:
        all_headers = {"content-type": "application/json", **(headers or {})}
        response = await asking.post(path, content=body, headers=all_headers)
        return Answer(response.status_code, response.headers, response.content)


@dataclass(slots=True)
class Stage:
    """A gateway whose route `support` has one arm, `v1`, and falls back to `large` where that is given."""

    gateway: Gateway
    server: SimulatedUpstream

    async def ask(self, path: str = CHAT, **fields: Any) -> Answer:
        """Ask once, and wait until the exchange has ended."""
        answer = await ask(self.gateway, path, **fields)
        async with asyncio.timeout(5):
            while len(self.gateway.finished) < self.gateway.begun:
                await self.gateway.until_finished(self.gateway.begun)
        return answer

    @property
    def last(self) -> Exchange:
        """The exchange that ended last."""
        return self.gateway.last

    @property
    def results(self) -> list[str]:
        """How its attempts ended."""
        return [str(attempt.result) for attempt in self.last.attempts]

    def calls(self, model: str) -> int:
        """How often a model was asked."""
        return self.server.seen.models[model]


Faults = Sequence[str]


@asynccontextmanager
async def stage(
    *faults: str,
    large: Faults | None = None,
    v1: Mapping[str, Any] | None = None,
    v1_entry: Mapping[str, Any] | None = None,
    large_entry: Mapping[str, Any] | None = None,
    drain_s: float | None = None,
    watched: Mapping[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    """Set the stage.

    Args:
        faults: of the arm's model.
        large: the faults of the fallback's model; `None` for a route without a fallback.
        v1: more of the arm's script.
        v1_entry: changes to the arm's entry in the configuration.
        large_entry: changes to the fallback's.
        drain_s: how long the gateway waits for what is in flight when it ends; `None`: it just stops.
        watched: what makes traces or logs of its requests, see `tests.fakes.gateways.gateway`.
        options: of the route, see `tests.fakes.gateways.route`.
    """
    scripts = [
        ModelScript(name="v1", **{"text": ARM_TEXT, **(v1 or {}), "faults": _parsed(faults)}),
        ModelScript(name="large", text=LARGE_TEXT, faults=_parsed(large or ())),
    ]
    async with simulated(scripts) as server:
        to = None if large is None else "large"
        entries = {"v1": dict(v1_entry or {}), **({} if large is None else {"large": dict(large_entry or {})})}
        what = document(server.base_url, {"support": route({"v1": 10000}, to=to, **options)}, **entries)
        async with gateway(what, drain_s, **(watched or {})) as made:
            yield Stage(made, server)


@asynccontextmanager
async def before(
    base_url: str, *, large_url: str | None = None, watched: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[Gateway]:
    """A gateway whose arm is at one address, and its fallback, where there is one, at another."""
    to = None if large_url is None else "large"
    what = document(base_url, {"support": route({"v1": 10000}, to=to, **options)})
    if large_url is not None:
        what.models[ModelName("large")] = replace(what.models[ModelName("large")], base_url=large_url)
    async with gateway(what, **(watched or {})) as made:
        yield made


def _parsed(faults: Faults) -> tuple[Fault, ...]:
    return tuple(Fault.parse(fault) for fault in faults)


class Wire:
    """A client that writes bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, made: Gateway) -> AsyncIterator["Wire"]:
        """Connect; the connection is gone at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port, limit=2**24)
        wire = cls(reader, writer)
        try:
            yield wire
        finally:
            wire.leave()

    def send(self, *parts: bytes) -> None:
        """Write, without waiting."""
        self._writer.write(b"".join(parts))

    def leave(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()

    def close(self) -> None:
        """Close the connection in order."""
        self._writer.close()

    async def answer(self, timeout_s: float = 5.0) -> Answer:
        """Read one answer, of any framing."""
        async with asyncio.timeout(timeout_s):
            head = await self._reader.readuntil(b"\r\n\r\n")
            status, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = httpx.Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
            body = b"".join([part async for part in self._body(headers)])
            return Answer(int(status.split(" ")[1]), headers, body)

    async def until(self, text: bytes, timeout_s: float = 5.0) -> bytes:
        """Read until something came."""
        async with asyncio.timeout(timeout_s):
            return await self._reader.readuntil(text)

    async def rest(self, timeout_s: float = 5.0) -> bytes:
        """Read until the gateway closes the connection."""
        async with asyncio.timeout(timeout_s):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    async def _body(self, headers: httpx.Headers) -> AsyncIterator[bytes]:
        if "content-length" in headers:
            yield await self._reader.readexactly(int(headers["content-length"]))
            return
        assert headers["transfer-encoding"] == "chunked"
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)


def post(
    body: bytes | Mapping[str, Any], path: str = CHAT, *, headers: bytes = b"", host: bytes = b"host: t\r\n"
) -> bytes:
    """A request as bytes, with a key. `headers` are whole lines."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nauthorization: {HEADERS['authorization']}\r\ncontent-type: application/json\r\n"
    return b"%s%s%scontent-length: %d\r\n\r\n%s" % (head.encode(), host, headers, len(data), data)


def question(**fields: Any) -> dict[str, Any]:
    """A well-formed question."""
    return {**QUESTION, **fields}
