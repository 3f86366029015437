"""Sends the demo's tickets to routes of a running gateway, a window at a time, and looks at what is found."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import httpx

from tests.fakes import tickets
from tests.fakes.control import APP, OPS, auth
from tests.fakes.served import Served, wait_for

ASKERS = 6
"""Of each route, at a time."""


class Desk:
    """Sends tickets, and looks at what is found."""

    def __init__(self, served: Served, directory: Path, routes: Mapping[str, str], window: int, **body: int) -> None:
        """`routes` are named with the version that has all of their traffic; `body` is part of every request."""
        self.served = served
        self.applications = served.address("applications")
        self.directory = directory
        self.routes = routes
        self.window = window
        self.body = body
        self.sent = dict.fromkeys(routes, 0)

    def command(self, *arguments: str) -> str:
        """What `fallgate` prints."""
        environ = {**os.environ, "FALLGATE_ADMIN_URL": self.served.admin, "FALLGATE_ADMIN_KEY": OPS}
        command = [sys.executable, "-m", "gateway.cli", *arguments]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=60).stdout

    def teach(self) -> None:
        """Give all versions their training set."""
        path = tickets.training_set(self.directory / "train.jsonl")
        for version in self.routes.values():
            self.command("versions", "reference", version, "--from", str(path))

    def send(self, text_of: Callable[[str, int], str]) -> None:
        """A window of tickets to each route."""

        async def ask(http: httpx.AsyncClient, route: str, first: int) -> None:
            for at in range(first, self.window, ASKERS):
                messages = tickets.conversation(text_of(route, at + self.sent[route]))
                body = {**self.body, "model": route, "messages": messages, "user": f"{route}-{at}"}
                answer = await http.post("/v1/chat/completions", json=body)
                assert answer.status_code == 200

        async def all_of_them() -> None:
            client = httpx.AsyncClient(base_url=self.applications, headers=auth(APP), timeout=60, trust_env=False)
            async with client as http, asyncio.TaskGroup() as tasks:
                for route, first in product(self.routes, range(ASKERS)):
                    tasks.create_task(ask(http, route, first))

        windows = {route: len(self.windows(route)) for route in self.routes}
        asyncio.run(all_of_them())
        for route in self.routes:
            self.sent[route] += self.window
            wait_for(lambda route=route: len(self.windows(route)) > windows[route], f"{route} has its window")  # type: ignore[misc]

    def drift(self, route: str) -> dict[str, Any]:
        found: dict[str, Any] = self.served.get(f"/admin/v1/routes/{route}/drift").json()
        (arm,) = found["arms"]
        return dict(arm)

    def windows(self, route: str) -> list[dict[str, Any]]:
        return list(self.drift(route)["windows"])
