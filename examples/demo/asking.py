"""The application in `make demo-risk`: it asks for labels, whole and as streams, and says later which were right."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from stack import DemoError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import tickets  # noqa: E402

T = TypeVar("T")
R = TypeVar("R")

FIRST_NEW_TICKET = tickets.COUNT
"""Tickets below this number were there when the versions were trained and measured."""
TICKETS_A_NEW_ONE = 14
"""About so many are drawn for one that is worded as in the hold-out and new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one ticket."""

    route: str
    ticket: tickets.Ticket
    is_stream: bool
    request_id: str
    model: str
    """Whose answer it is, by the gateway's word."""
    fallback: str | None
    """Why another model than the arm answered."""
    text: str
    first_s: float
    """From the request to the first content, in seconds; of a whole answer, to the answer."""

    @property
    def is_right(self) -> bool:
        try:
            return bool(json.loads(self.text) == json.loads(self.ticket.answer))
        except ValueError:
            return False


class Application:
    """A client of the data plane, with several requests at once."""

    def __init__(self, url: str, key: str, at_once: int) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"authorization": f"Bearer {key}"},
            timeout=300,
            limits=httpx.Limits(max_connections=at_once),
            trust_env=False,
        )
        self._at_once = at_once

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def each(self, what: str, some: Sequence[T], act: Callable[[T], R]) -> list[R]:
        """Do something with each, a few at once and in their order, and show that time passes."""
        progress = _Progress(what, len(some))

        def one(item: T) -> R:
            result = act(item)
            progress.step()
            return result

        with ThreadPoolExecutor(self._at_once) as pool:
            found = [pool.submit(one, item) for item in some]
            try:
                return [future.result() for future in found]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # after trouble nobody wants the rest

    def ask(self, route: str, ticket: tickets.Ticket, *, is_stream: bool) -> Answer:
        """Ask for the label of a ticket."""
        body = {
            "model": route,
            "messages": tickets.messages(ticket.text),
            "max_tokens": 48,
            "temperature": 0,
            "user": f"customer-{ticket.number}",
        }
        began_s = time.monotonic()
        try:
            head, text, at_s = self._streamed(body) if is_stream else self._whole(body)
        except httpx.HTTPError as error:
            raise DemoError(f"asking {route} for the label of ticket {ticket.number} failed: {error!r}") from error
        return Answer(
            route=route,
            ticket=ticket,
            is_stream=is_stream,
            request_id=head["x-request-id"],
            model=head["x-gateway-model"],
            fallback=head.get("x-gateway-fallback"),
            text=text,
            first_s=at_s - began_s,
        )

    def say(self, answer: Answer) -> None:
        """Tell the gateway whether an answer was a success."""
        said = self._http.post(
            "/v1/feedback", json={"request_id": answer.request_id, "metric": "success", "value": answer.is_right}
        )
        if said.status_code != 202:
            raise DemoError(f"the gateway did not take feedback: {said.status_code} {said.text}")

    def _whole(self, body: dict[str, Any]) -> tuple[httpx.Headers, str, float]:
        answer = self._http.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            raise DemoError(f"{body['model']} answered {answer.status_code}: {answer.text}")
        return answer.headers, answer.json()["choices"][0]["message"]["content"] or "", time.monotonic()

    def _streamed(self, body: dict[str, Any]) -> tuple[httpx.Headers, str, float]:
        with self._http.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as answer:
            if answer.status_code != 200:
                raise DemoError(f"{body['model']} answered {answer.status_code}: {answer.read().decode()}")
            first_s, pieces = None, []
            for line in answer.iter_lines():
                piece = _content(line)
                if piece:
                    first_s = first_s or time.monotonic()
                    pieces.append(piece)
            return answer.headers, "".join(pieces), first_s or time.monotonic()


def new_tickets(count: int) -> list[tickets.Ticket]:
    """Tickets worded as those that were held out from training, and not among them."""
    drawn = tickets.tickets(FIRST_NEW_TICKET + TICKETS_A_NEW_ONE * count + 500)
    found = [ticket for ticket in drawn if ticket.split == "test" and ticket.number >= FIRST_NEW_TICKET]
    if len(found) < count:
        raise DemoError(f"there are only {len(found)} new tickets, not {count}")
    return found[:count]


class _Progress:
    """A line now and then."""

    def __init__(self, what: str, total: int, every_s: float = 15.0) -> None:
        self._what, self._total, self._every_s = what, total, every_s
        self._done = 0
        self._shown_s = time.monotonic()
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            self._done += 1
            now_s = time.monotonic()
            if now_s - self._shown_s > self._every_s:
                self._shown_s = now_s
                print(f"    … {self._done} of {self._total} {self._what}", flush=True)


def _content(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    event = json.loads(line.removeprefix("data: "))
    if "error" in event:
        raise DemoError(f"a stream broke off: {event['error']}")
    return event["choices"][0]["delta"].get("content") or "" if event["choices"] else ""
