"""A reply on its way to the client: the only place where the steps of a reply become bytes and time."""

import asyncio
import math
import socket
import struct
from typing import Final

from aiohttp import web

from serving.simulated.reply import Close, Reply, Reset, Send, Wait
from serving.simulated.seen import Call, Ended

_LINGER_OFF: Final = struct.pack("ii", 1, 0)  # closing then sends RST and drops what is still unsent
SIGNATURE: Final = {"server": "fallgate-simulated"}


async def deliver(request: web.BaseRequest, reply: Reply, call: Call) -> web.StreamResponse:
    """Carry out the steps of `reply`, and count them in `call`.

    Is cancelled when the client goes away, so that the generation stops at once.
    """
    response = _head(request, reply)
    if reply.has_early_head:
        await response.prepare(request)
        await response.write(b"")
    due = asyncio.get_running_loop().time()
    for step in reply.steps:
        match step:
            case Wait(seconds):
                due += seconds
                await _sleep_until(due)
            case Send(data, _):
                await response.prepare(request)  # does nothing the second time
                await response.write(data)
                call.note_sent()
            case Reset() | Close():
                call.ended = Ended.RESET
                await _drop(request, step)
    await response.prepare(request)
    await response.write_eof()
    return response


def _head(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers={**SIGNATURE, **reply.headers})
    if reply.length is not None:
        response.content_length = reply.length
    elif request.version >= (1, 1):
        response.enable_chunked_encoding()
    return response


async def _drop(request: web.BaseRequest, how: Reset | Close) -> None:
    """End the connection, and wait to be cancelled by that."""
    transport = request.transport
    if transport is not None and isinstance(how, Reset):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        transport.abort()
    elif transport is not None:
        transport.close()
    await _sleep_until(math.inf)


async def _sleep_until(due: float) -> None:
    loop = asyncio.get_running_loop()
    if due == math.inf:
        await loop.create_future()
    else:
        await asyncio.sleep(max(due - loop.time(), 0))  # also when late: others get a turn, and a cancel gets through
