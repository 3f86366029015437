"""Drift through all processes: the demo's tickets on simulated models, compared with the training set.

Four routes at once, so that it need not take four times as long: one goes on as before, three each have one shift.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.fakes import tickets
from tests.fakes.control import APP, OPS, SCRAPER, auth
from tests.fakes.served import Served, serving, small_config, wait_for
from tests.fakes.simulated import simulated_in_thread

WINDOW = 200
ROUTES = ("replay", "product", "language", "longer")
TEXTS = tickets.training_texts()
SHIFTED: Mapping[str, Callable[[int], str]] = {
    "replay": lambda at: TEXTS[(at * 13) % len(TEXTS)],
    "product": lambda at: tickets.about_a_new_product(TEXTS[(at * 13) % len(TEXTS)]),
    "language": tickets.in_german,
    "longer": lambda at: tickets.longer(TEXTS, at * 13),
}
FIRST = {"product": {"new_word"}, "language": {"language", "non_ascii"}, "longer": {"input_length", "input_words"}}
# What such a shift cannot but move: the form of a text depends on how long and about what it is, and every one of its
# templates is another one.
MOVES = {
    "product": {"vocabulary", "form", "template"},
    "language": {"language", "vocabulary", "form", "template", "length"},
    "longer": {"length", "form", "template"},
}


def config(base_url: str) -> str:
    tree = yaml.safe_load(small_config(dict.fromkeys(ROUTES, 100), base_url))
    tree["server"]["workers"] = 2
    drift = {"window_requests": WINDOW, "window_minutes": 0}
    tree["routes"] = {name: {"split": {name: 100}, "drift": drift} for name in ROUTES}
    return yaml.safe_dump(tree)


class Desk:
    """Sends tickets, and looks at what is found."""

    def __init__(self, served: Served, directory: Path) -> None:
        self.served = served
        self.applications = served.address("applications")
        self.directory = directory
        self.sent = dict.fromkeys(ROUTES, 0)

    def command(self, *arguments: str) -> str:
        """What `fallgate` prints."""
        environ = {**os.environ, "FALLGATE_ADMIN_URL": self.served.admin, "FALLGATE_ADMIN_KEY": OPS}
        command = [sys.executable, "-m", "gateway.cli", *arguments]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=60).stdout

    def teach(self) -> None:
        """Give all versions their training set."""
        path = tickets.training_set(self.directory / "train.jsonl")
        for name in ROUTES:
            self.command("versions", "reference", name, "--from", str(path))

    def send(self, text_of: Callable[[str, int], str]) -> None:
        """A window of tickets to each route."""

        async def ask(http: httpx.AsyncClient, route: str) -> None:
            for at in range(WINDOW):
                messages = tickets.conversation(text_of(route, at + self.sent[route]))
                body = {"model": route, "messages": messages, "user": f"{route}-{at}"}
                answer = await http.post("/v1/chat/completions", json=body)
                assert answer.status_code == 200
            self.sent[route] += WINDOW

        async def all_of_them() -> None:
            client = httpx.AsyncClient(base_url=self.applications, headers=auth(APP), timeout=30, trust_env=False)
            async with client as http, asyncio.TaskGroup() as tasks:
                for route in ROUTES:
                    tasks.create_task(ask(http, route))

        windows = {route: len(self.windows(route)) for route in ROUTES}
        asyncio.run(all_of_them())
        for route in ROUTES:
            wait_for(lambda route=route: len(self.windows(route)) > windows[route], f"{route} has its window")  # type: ignore[misc]

    def drift(self, route: str) -> dict[str, Any]:
        found: dict[str, Any] = self.served.get(f"/admin/v1/routes/{route}/drift").json()
        (arm,) = found["arms"]
        return dict(arm)

    def windows(self, route: str) -> list[dict[str, Any]]:
        return list(self.drift(route)["windows"])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("drift")
    with simulated_in_thread(ROUTES) as upstream, serving(directory, config(upstream.base_url)) as served:
        served.wait_ready()
        found = Desk(served, directory)
        found.teach()
        for _ in range(2):
            found.send(lambda route, at: SHIFTED["replay"](at))
        yield found


def test_tickets_of_the_training_set_raise_no_alarm_and_shifts_come_first_within_two_windows(desk: Desk) -> None:
    assert {route: desk.drift(route)["alarms"] for route in ROUTES} == {route: [] for route in ROUTES}
    for _ in range(2):
        desk.send(lambda route, at: SHIFTED[route](at))
    assert desk.drift("replay")["alarms"] == []
    for route, expected in FIRST.items():
        alarms = desk.drift(route)["alarms"]
        assert alarms, f"{route} has no alarm"
        assert alarms[0]["feature"] in expected
        assert {alarm["family"] for alarm in alarms} <= MOVES[route]
    shows_metrics(desk)
    shows_people(desk)


def shows_metrics(desk: Desk) -> None:
    line = '{feature="new_word",model="product",route="product"}'
    wait_for(lambda: desk.served.metric(f"gateway_drift_alarm{line}") == 1.0, "the metric says it")
    score = desk.served.metric(f"gateway_drift_score{line}")
    assert score is not None
    assert score > 0.1
    assert desk.served.metric('gateway_drift_alarm{feature="new_word",model="replay",route="replay"}') == 0.0
    page = desk.served.get("/metrics", SCRAPER).text
    assert "NaN" not in page


def shows_people(desk: Desk) -> None:
    shown = desk.command("drifting", "product")
    assert "compared with its training set (2411)" in shown
    assert "new_word" in shown
    assert "nothing has moved" in desk.command("drifting", "replay")
