"""What goes out over the wire, as data: headers, and steps that send, wait or reset."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FOR_EVER: Final = math.inf
JSON: Final = {"content-type": "application/json"}
EVENTS: Final = {"content-type": "text/event-stream; charset=utf-8"}


class Kind(StrEnum):
    """What a piece of a reply is."""

    BODY = "body"  # of a whole answer
    ROLE = "role"
    CONTENT = "content"  # the text of one token, or a piece of a tool call
    FINISH = "finish"
    USAGE = "usage"
    DONE = "done"
    FAULT = "fault"  # what no healthy server sends


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    data: bytes
    kind: Kind


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass, counted from when the step before was due, so that a pace does not drift."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection (RST), as a server does that dies."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in order (FIN), wherever the answer stands."""


Step = Send | Wait | Reset | Close


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer.

    length: the Content-Length that is promised, whatever is sent; None for chunked encoding.
    has_early_head: the headers go out at once, before the first step; else with the first bytes.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    length: int | None = None
    has_early_head: bool = False

    def count(self, kind: Kind) -> int:
        """Return how many pieces of one kind are sent."""
        return sum(isinstance(step, Send) and step.kind is kind for step in self.steps)

    def before(self, kind: Kind, skip: int = 0) -> tuple[Step, ...]:
        """Return the steps before the piece of this kind that comes after `skip` others; all, where there is none."""
        for index, step in enumerate(self.steps):
            if isinstance(step, Send) and step.kind is kind:
                if not skip:
                    return self.steps[:index]
                skip -= 1
        return self.steps


def whole(body: bytes, *, status: int = 200, headers: Mapping[str, str] = JSON, after_s: float = 0.0) -> Reply:
    """Build the reply of a healthy server that sends one body."""
    wait: tuple[Step, ...] = (Wait(after_s),) if after_s else ()
    return Reply(status=status, headers=headers, steps=(*wait, Send(body, Kind.BODY)), length=len(body))


def event(data: bytes, kind: Kind) -> Send:
    """Build one server-sent event."""
    return Send(b"data: %b\n\n" % data, kind)


DONE: Final = event(b"[DONE]", Kind.DONE)
