"""`POST /v1/chat/completions` and `POST /v1/completions`: from bytes to an exchange, and through it."""

from asyncio import CancelledError
from time import monotonic
from typing import Protocol

from gateway.clock import Clock
from gateway.data.access import assign, find_route, forced_arm, identify
from gateway.data.body import ClientLeft, check_media, parse_object, read_body
from gateway.data.guard import HEAD_KEY, Receive, RequestHead, Scope, Send
from gateway.data.inquiry import Inquiry
from gateway.data.live import Live
from gateway.errors import ApiError
from gateway.exchange.answer import answer
from gateway.exchange.facts import Exchange
from routing.assignment.units import find_unit


def not_ready() -> ApiError:
    """The 503 of a gateway without a configuration. Made anew: an exception that is kept keeps its tracebacks."""
    return ApiError(
        503,
        "the gateway has no configuration yet; try again in a moment",
        type="service_unavailable_error",
        code="not_ready",
        headers=[(b"retry-after", b"1")],
    )


class Plane(Protocol):
    """What the endpoints need of their process."""

    live: Live | None
    """The snapshot in force."""
    clock: Clock

    def begin(self, exchange: Exchange) -> None:
        """It begins."""

    def finish(self, exchange: Exchange) -> None:
        """It has ended, however it ended."""


class CompletionsEndpoint:
    """One of the two endpoints. A plain ASGI application, since it is the hot path."""

    def __init__(self, plane: Plane, *, is_chat: bool) -> None:
        self._plane = plane
        self._is_chat = is_chat
        self._path = "/chat/completions" if is_chat else "/completions"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            raise ApiError(405, "use POST", headers=[(b"allow", b"POST")])
        head: RequestHead = scope[HEAD_KEY]
        started_s = monotonic()
        live = self._plane.live
        if live is None:
            raise not_ready()
        key = identify(live, head)
        check_media(head.headers)
        try:
            raw = await read_body(receive)
        except ClientLeft:
            return
        inquiry = Inquiry(parse_object(raw), is_chat=self._is_chat, size_bytes=len(raw))
        route = find_route(live, key, inquiry.model)
        unit = find_unit(route.units, head.headers, inquiry.body, key.name, head.request_id)
        exchange = Exchange(
            head=head,
            live=live,
            route=route,
            key=key,
            inquiry=inquiry,
            unit=unit,
            assignment=assign(route, key, head, inquiry, unit),
            path=self._path,
            started_s=started_s,
        )
        exchange.force(forced_arm(route, key, head))
        self._plane.begin(exchange)
        await self._answer(exchange, send)

    async def _answer(self, exchange: Exchange, send: Send) -> None:
        """See an exchange to its end, however it ends."""
        is_over = False
        try:
            await answer(exchange, self._plane.clock, send)
            is_over = True
        except CancelledError:
            exchange.break_off()
            is_over = True
            raise
        finally:
            if not is_over:
                exchange.status = exchange.status or 500  # which the guard is about to send
            self._plane.finish(exchange)
