"""The demo's traffic: several users with tickets, and a table of who answered and why."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import tickets  # noqa: E402

USERS = ("ada", "ben", "carla", "dan", "eve", "finn", "hana", "kim")
AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request of the demo and what came back."""

    user: str
    ticket: tickets.Ticket
    status: int
    headers: httpx.Headers
    label: str
    took_s: float

    @property
    def is_right(self) -> bool:
        try:
            return bool(json.loads(self.label) == json.loads(self.ticket.answer))
        except ValueError:
            return False


def test_tickets(count: int, skip: int = 0) -> list[tickets.Ticket]:
    """Tickets that no version was trained on."""
    held_out = [ticket for ticket in tickets.tickets() if ticket.split == "test"]
    return held_out[skip : skip + count]


def answers_file(path: Path, some: Iterable[tickets.Ticket]) -> Path:
    """The right answers of some tickets, as a table for simulated models."""
    with path.open("w", encoding="utf-8") as file:
        for ticket in some:
            file.write(json.dumps({"prompt": ticket.text, "answer": ticket.answer}) + "\n")
    return path


def send(url: str, key: str, some: list[tickets.Ticket]) -> list[Asked]:
    """Ask for the label of each ticket, a few at once; each user always comes with the same name."""
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=120) as client:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda item: _ask(client, USERS[item[0] % len(USERS)], item[1]), enumerate(some)))


def _ask(client: httpx.Client, user: str, ticket: tickets.Ticket) -> Asked:
    began = time.monotonic()
    answer = client.post(
        "/v1/chat/completions",
        headers={"x-user-id": user},
        json={"model": "support", "messages": tickets.messages(ticket.text), "max_tokens": 48, "temperature": 0},
    )
    body = answer.json()
    label = body["choices"][0]["message"]["content"] if answer.status_code == 200 else body["error"]["message"]
    return Asked(
        user=user,
        ticket=ticket,
        status=answer.status_code,
        headers=answer.headers,
        label=label or "",
        took_s=time.monotonic() - began,
    )


def costs_usd(database: Path, asked: list[Asked], limit_s: float = 5.0) -> dict[str, float | None]:
    """What each request cost, by its id, read from the gateway's own records."""
    wanted = {one.headers["x-request-id"] for one in asked}
    until = time.monotonic() + limit_s
    while True:
        with sqlite3.connect(database) as connection:
            rows = connection.execute("SELECT request_id, cost_nanousd FROM requests").fetchall()
        found = {row[0]: None if row[1] is None else row[1] / 1e9 for row in rows if row[0] in wanted}
        if len(found) == len(wanted) or time.monotonic() > until:
            return found
        time.sleep(0.1)


def show(console: Console, title: str, asked: list[Asked], costs: dict[str, float | None]) -> None:
    """Print the table; a narrow terminal gets the columns that matter."""
    is_wide = console.width >= 116
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    columns = ["user", "ticket", "arm", "answered by", "fell back for", "sure", "right", "cost", "time"]
    for name in columns:
        if is_wide or name not in ("ticket", "time"):
            is_number = name in ("sure", "cost", "time")
            table.add_column(name, justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis")
    if is_wide:
        table.columns[1].max_width = 30
    for one in asked:
        cells = _cells(one, costs.get(one.headers["x-request-id"]))
        table.add_row(*(cells if is_wide else (cells[0], *cells[2:-1])))
    console.print(table)


def _cells(one: Asked, cost: float | None) -> tuple[str, ...]:
    head = one.headers
    return (
        one.user,
        " ".join(one.ticket.text.split()),
        head.get("x-gateway-arm", "-"),
        head.get("x-gateway-model", "-"),
        _why(one),
        f"{float(head['x-gateway-confidence']):.2f}" if "x-gateway-confidence" in head else "-",
        "[green]yes[/]" if one.is_right else "[red]no[/]",
        "unknown" if cost is None else f"${cost:.6f}",
        f"{one.took_s:.1f} s",
    )


def _why(one: Asked) -> str:
    if one.status != 200:
        return f"[red]{one.status}: {one.label}[/]"
    degraded = one.headers.get("x-gateway-degraded")
    if degraded is not None:
        return f"[red]{degraded}, degraded[/]"
    return f"[yellow]{one.headers.get('x-gateway-fallback', '')}[/]"
