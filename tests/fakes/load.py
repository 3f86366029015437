"""Traffic from many users, in a thread of its own, with what came of every request."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

PAUSE_S = 0.01
"""Between two requests of one of those who ask, so that a test leaves the machine to what it tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request; times are monotonic."""

    unit: str
    sent_s: float
    status: int | None
    """`None` where the connection broke."""
    arm: str | None
    revision: int | None


@dataclass(slots=True)
class Load:
    """What has been asked so far."""

    asked: list[Asked] = field(default_factory=list)

    def since(self, moment_s: float) -> list[Asked]:
        """Requests that were sent after a moment."""
        return [one for one in self.asked if one.sent_s > moment_s]


@contextmanager
def load(base_url: str, secret: str, *, model: str = "support", askers: int = 4) -> Iterator[Load]:
    """Keep asking until the end of the block, each time as another user."""
    found = Load()
    ended = threading.Event()
    numbers = count()

    async def ask(http: httpx.AsyncClient) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": "Where is my parcel?"}]}
        while not ended.is_set():
            unit = f"user-{next(numbers)}"
            sent_s = time.monotonic()
            try:
                answer = await http.post("/chat/completions", json=body, headers={"x-user-id": unit})
                arm, revision = (answer.headers.get(f"x-gateway-{name}") for name in ("arm", "revision"))
                status: int | None = answer.status_code
            except httpx.TransportError:
                status = arm = revision = None
            found.asked.append(
                Asked(unit=unit, sent_s=sent_s, status=status, arm=arm, revision=int(revision) if revision else None)
            )
            await asyncio.sleep(PAUSE_S)

    async def run() -> None:
        headers = {"authorization": f"Bearer {secret}"}
        client = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=10, trust_env=False)
        async with client as http, asyncio.TaskGroup() as tasks:
            for _ in range(askers):
                tasks.create_task(ask(http))

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="load")
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
