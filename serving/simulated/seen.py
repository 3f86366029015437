"""What the simulated upstream saw: requests, connections, calls in flight, and clients that went away."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Ended(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"  # everything that was to be sent is sent
    CLIENT_GONE = "client_gone"  # the client closed the connection before that
    RESET = "reset"  # a fault ended the connection
    REJECTED = "rejected"  # the request was not a valid one
    STOPPED = "stopped"  # the server was stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One request as it came in. `connection` counts from 1; `headers` finds its names in any case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    connection: int

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model"))


class Call:
    """One request while it is answered.

    fault: the name of the fault it met. events: how many pieces of the answer were sent, such as events of a stream.
    ended: None until it has.
    """

    __slots__ = ("_changed", "ended", "events", "fault", "request")

    def __init__(self, request: SeenRequest, changed: Callable[[], None]) -> None:
        self.request = request
        self.fault: str | None = None
        self.events = 0
        self.ended: Ended | None = None
        self._changed = changed

    def note_sent(self) -> None:
        """Count a piece of the answer that is sent."""
        self.events += 1
        self._changed()


class Seen:
    """The counts since the start (or since `forget`) and the latest calls; `until` waits for them to become something.

    It belongs to the event loop of its server.
    """

    def __init__(self, *, keep: int = 10_000) -> None:
        self.calls: deque[Call] = deque(maxlen=keep)
        self.connections_opened = 0
        self.connections_open = 0
        self.in_flight = 0
        self.paths: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.ends: Counter[Ended] = Counter()
        self._last_connection = 0
        self._waiting: list[tuple[Callable[[Seen], bool], asyncio.Future[None]]] = []

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests to models, the oldest first."""
        return [call.request for call in self.calls]

    @property
    def clients_gone(self) -> int:
        """How many calls were given up by their client before the answer was out."""
        return self.ends[Ended.CLIENT_GONE]

    async def until(self, holds: Callable[["Seen"], bool], timeout_s: float = 5.0) -> None:
        """Return as soon as `holds(seen)` is true.

        Raises TimeoutError, which tells what was seen, when that takes longer than `timeout_s`.
        """
        if holds(self):
            return
        waiter = asyncio.get_running_loop().create_future()
        entry = (holds, waiter)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            raise TimeoutError(f"not so within {timeout_s:g} s; the simulated upstream saw {self.summary()}") from None
        finally:
            self._waiting.remove(entry)

    def forget(self) -> None:
        """Start counting anew. Open connections and calls in flight remain."""
        self.calls.clear()
        self.connections_opened = 0
        for counts in (self.paths, self.models, self.ends):
            counts.clear()

    def summary(self) -> dict[str, Any]:
        """Return the counts, fit for JSON."""
        return {
            "requests": sum(self.models.values()),
            "models": dict(self.models),
            "paths": dict(self.paths),
            "ends": {str(end): count for end, count in self.ends.items()},
            "in_flight": self.in_flight,
            "connections_opened": self.connections_opened,
            "connections_open": self.connections_open,
        }

    def note_path(self, path: str) -> None:
        """Count a request of any kind."""
        self.paths[path] += 1
        self.changed()

    def note_connection(self) -> int:
        """Count a connection that opens; return its number."""
        self.connections_opened += 1
        self.connections_open += 1
        self._last_connection += 1
        self.changed()
        return self._last_connection

    def note_closed(self) -> None:
        """Count a connection that closes."""
        self.connections_open -= 1
        self.changed()

    @contextmanager
    def call(self, request: SeenRequest) -> Iterator[Call]:
        """Follow one call from its request to its end, which is an answer unless `ended` was set before."""
        call = Call(request, self.changed)
        self.calls.append(call)
        self.models[request.model] += 1
        self.in_flight += 1
        self.changed()
        try:
            yield call
        except asyncio.CancelledError:
            call.ended = call.ended or Ended.CLIENT_GONE
            raise
        finally:
            call.ended = call.ended or Ended.ANSWERED
            self.ends[call.ended] += 1
            self.in_flight -= 1
            self.changed()

    def changed(self) -> None:
        """Wake those whose condition holds now."""
        for holds, waiter in self._waiting:
            if not waiter.done() and holds(self):
                waiter.set_result(None)
