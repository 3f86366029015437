"""An upstream that plays bytes: for what no well-behaved server would ever send."""

import asyncio
import json
import math
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    seconds: float


HANG: Final = Pause(math.inf)
"""Say nothing more, and keep the connection."""


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for an event of the test's."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection, in order or with a reset."""

    is_reset: bool = False


Step = bytes | Pause | Await | Close
Script = Sequence[Any]
"""Of steps."""


@dataclass(slots=True)
class RawUpstream:
    """Plays one script a request, the last one again and again."""

    scripts: list[Script]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    """Heads and bodies as they came."""
    connections: int = 0
    closed: int = 0
    handling: set[asyncio.Task[Any]] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def until_closed(self, count: int, timeout_s: float = 1.0) -> None:
        """Wait until so many connections were closed by the client, or by the end of a script."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: self.closed >= count)

    async def until_asked(self, count: int, timeout_s: float = 5.0) -> None:
        """Wait until so many requests came."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.handling.add(task)
        task.add_done_callback(self.handling.discard)
        try:
            while (request := await _read_request(reader)) is not None:
                self.requests.append(request)
                await self._notify()
                if not await self._play(reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.closed += 1
            writer.close()
            await self._notify()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Play a script; false once the connection is over."""
        for step in self.scripts[min(len(self.requests), len(self.scripts)) - 1]:
            assert isinstance(step, Step)
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case Pause(seconds):
                    if await _is_gone_within(reader, seconds):
                        return False
                case Await(event):
                    await event.wait()
                case Close(is_reset):
                    if is_reset:
                        linger = struct.pack("ii", 1, 0)
                        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return False
        return True

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _read_request(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    return head + await reader.readexactly(length)


async def _is_gone_within(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Whether the client closes the connection in that time."""
    try:
        async with asyncio.timeout(None if seconds == math.inf else seconds):
            return not await reader.read(1)
    except TimeoutError:
        return False


@asynccontextmanager
async def raw_upstream(*scripts: Script) -> AsyncIterator[RawUpstream]:
    """Start an upstream on a free port of 127.0.0.1, and stop it at the end.

    async with raw_upstream([reply(b"{}"), Close()]) as server:
        ...  # call server.base_url
        await server.until_closed(1)
    """
    made = RawUpstream(list(scripts))
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in made.handling:
            task.cancel()
        if made.handling:
            await asyncio.wait(made.handling)


def reply(body: bytes, *, status: str = "200 OK", media: str = "application/json", extra: str = "") -> bytes:
    """A whole answer with its length."""
    return f"HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode() + body


STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
END: Final = b"0\r\n\r\n"


def piece(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(value: object) -> bytes:
    """One server-sent event, as a chunk of the body; text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return piece(f"data: {text}\n\n".encode())


def delta(content: str | None = None, *, finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    """The event of one chunk of a chat's answer. Other fields go into the delta, `logprobs` into the choice."""
    logprobs = fields.pop("logprobs", None)
    said = {**fields} if content is None else {"content": content, **fields}
    choice = {"index": index, "delta": said, "logprobs": logprobs, "finish_reason": finish}
    return event({"id": "chatcmpl-raw", "object": "chat.completion.chunk", "model": "raw", "choices": [choice]})


def logprobs(*pairs: tuple[str, float]) -> dict[str, Any]:
    """Log-probabilities as chunks and answers carry them."""
    return {
        "content": [{"token": token, "logprob": value, "bytes": None, "top_logprobs": []} for token, value in pairs]
    }


def completion(content: str | None = "raw answer", **changes: Any) -> bytes:
    """The body of a whole answer; `changes` replace fields of the answer, `message` those of its message."""
    message = {"role": "assistant", "content": content, **changes.pop("message", {})}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    answer = {
        "id": "chatcmpl-raw",
        "object": "chat.completion",
        "created": 1,
        "model": "raw",
        "choices": [{**choice, **changes.pop("choice", {})}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return json.dumps({**answer, **changes}).encode()
