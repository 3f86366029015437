"""What the gateway recorded of requests, read from its store, and how it made confidence of them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stack import DemoError

from gateway.store.codec import load
from routing.confidence.features import Features, from_row
from routing.confidence.scorer import Calibration

PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to a model."""

    model: str
    result: str
    started_us: int
    first_token_us: int | None
    """From its start."""
    cost_nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request, as it is kept."""

    request_id: str
    model: str
    reason: str | None
    judged: str | None
    confidence: float | None
    threshold: float | None
    late_confidence: float | None
    prefix: Features | None
    whole: Features | None
    started_us: int
    first_token_us: int | None
    """From the start of the request to the commit."""
    cost_nanousd: int
    attempts: tuple[Attempt, ...]

    @property
    def held_us(self) -> int | None:
        """How long the first token waited in the gateway; None where the first attempt brought none."""
        first = self.attempts[0]
        if self.first_token_us is None or first.first_token_us is None:
            return None
        return self.first_token_us - (first.started_us - self.started_us + first.first_token_us)

    def cost_of(self, model: str) -> int:
        """What the attempts at one model cost, in nano-dollars."""
        return sum(attempt.cost_nanousd for attempt in self.attempts if attempt.model == model)


_OF_REQUEST = "request_id, model, reason, judged, confidence, threshold, late_confidence, started_us, first_token_us"
_REQUESTS = f"SELECT {_OF_REQUEST}, cost_nanousd, prefix_features, whole_features FROM requests"
_ATTEMPTS = "SELECT request_id, model, result, started_us, first_token_us, cost_nanousd FROM attempts ORDER BY number"


def read_records(database: Path, request_ids: Iterable[str]) -> dict[str, Record]:
    """The records of these requests, once all of them are there: they are written a moment after the answers."""
    wanted = set(request_ids)
    until_s = time.monotonic() + PATIENCE_S
    while True:
        with _open(database) as connection:
            attempts: dict[str, list[Attempt]] = {}
            for row in connection.execute(_ATTEMPTS):
                values = dict(row)
                attempts.setdefault(values.pop("request_id"), []).append(Attempt(**values))
            rows = [dict(row) for row in connection.execute(_REQUESTS) if row["request_id"] in wanted]
        if len(rows) == len(wanted):
            return {row["request_id"]: _record(row, attempts[row["request_id"]]) for row in rows}
        if time.monotonic() > until_s:
            raise DemoError(f"{len(wanted) - len(rows)} of {len(wanted)} records are missing")
        time.sleep(0.1)


def read_calibration(database: Path, route: str, version: str) -> Calibration:
    """One calibration of a route."""
    with _open(database) as connection:
        query = "SELECT calibration FROM calibrations WHERE route = ? AND version = ?"
        found = connection.execute(query, (route, version)).fetchone()
    if found is None:
        raise DemoError(f"route {route} has no calibration {version}")
    return load(found[0], Calibration)


def _open(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def _record(row: Mapping[str, object], attempts: list[Attempt]) -> Record:
    values = dict(row)
    for part in ("prefix", "whole"):
        text = values.pop(f"{part}_features")
        values[part] = from_row(json.loads(str(text))) if text is not None else None
    return Record(**values, attempts=tuple(attempts))  # type: ignore[arg-type]  # the columns are its fields
