"""A client of the simulated upstream that keeps what came and how it ended, however broken it was."""

import asyncio
import json
from typing import Any

import aiohttp

from serving.simulated.upstream import SimulatedUpstream

PATIENCE_S = 10


class Got:
    """What a client got: headers, body as far as it came, and how it ended."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Any = {}
        self.body = b""
        self.end = "end"
        self.grown = asyncio.Event()

    async def until(self, status: int, text: str) -> None:
        """Wait until that much came."""
        async with asyncio.timeout(PATIENCE_S):
            while (self.status, self.text) != (status, text):
                self.grown.clear()
                await self.grown.wait()

    @property
    def events(self) -> list[Any]:
        """The data of the whole events, those that are not JSON as bytes."""
        return [parsed(block.removeprefix(b"data: ")) for block in self.body.split(b"\n\n") if block]

    @property
    def text(self) -> str:
        """The text that the chunks carry."""
        chunks = [event for event in self.events if isinstance(event, dict)]
        choices = [choice for chunk in chunks for choice in chunk.get("choices", [])]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


def parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


async def call(server: SimulatedUpstream, client: aiohttp.ClientSession, fault: str, *, stream: bool) -> Got:
    """Ask `model` once, with a fault, and return what came."""
    got = Got()
    await receive(got, server, client, fault, stream=stream)
    return got


async def receive(
    got: Got, server: SimulatedUpstream, client: aiohttp.ClientSession, fault: str, *, stream: bool
) -> None:
    """Ask `model` once, with a fault; `got` grows as the answer comes."""
    body: dict[str, Any] = {"model": "model", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    url, headers = f"{server.base_url}/chat/completions", {"x-simulate-fault": fault, "accept-encoding": "identity"}
    try:
        async with client.post(url, json=body, headers=headers, allow_redirects=False) as response:
            got.status, got.headers = response.status, response.headers
            got.grown.set()
            async for data in response.content.iter_any():
                got.body += data
                got.grown.set()
    except (aiohttp.ClientError, ConnectionError):
        got.end = "broken"
