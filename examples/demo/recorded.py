"""What the gateway recorded of requests, as its admin API tells it, and its judgements made again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
from stack import DemoError

from gateway.cli.client import AdminClient, AdminFailure
from gateway.cli.explain_request import explained
from routing.confidence.features import Features, from_row
from routing.confidence.scorer import Calibration

PATIENCE_S = 10.0
AT_ONCE = 4

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One request, as it is kept, and the calibration that judged it."""

    route: str
    request: Json
    attempts: list[Json]
    calibration: Json | None

    @property
    def is_judged_by_start(self) -> bool:
        """By the start of a stream, rather than by a whole answer."""
        return bool(self.request["judged"] == "prefix")

    @property
    def late_confidence(self) -> float | None:
        """In the whole of a stream that was let go on."""
        late: float | None = self.request["late_confidence"]
        return late

    @property
    def whole(self) -> Features | None:
        """The features of the whole answer."""
        row = self.request["whole_features"]
        return None if row is None else from_row(row)

    @property
    def cost_nanousd(self) -> int:
        """What the request cost, all attempts together."""
        return int(self.request["cost_nanousd"])

    @property
    def held_ms(self) -> float | None:
        """How long the first token waited in the gateway; None where the first attempt brought none."""
        first, committed_us = self.attempts[0], self.request["first_token_us"]
        if committed_us is None or first["first_token_us"] is None:
            return None
        came_us = first["started_us"] - self.request["started_us"] + first["first_token_us"]
        return float(committed_us - came_us) / 1000

    def cost_of(self, model: str) -> int:
        """What the attempts at one model cost, in nano-dollars."""
        return sum(int(attempt["cost_nanousd"]) for attempt in self.attempts if attempt["model"] == model)

    def replay(self) -> str:
        """Whether judging the recorded features again comes to the same: `same`, `different` or `impossible`."""
        return str(explained(self.route, self.request, self.attempts, self.calibration)["replay"])


def read_records(operator: AdminClient, wanted: Iterable[tuple[str, str]]) -> dict[str, Record]:
    """The records of requests, by (route, request id); they are written a moment after the answers."""
    until_s = time.monotonic() + PATIENCE_S
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda one: _read(operator, *one, until_s), wanted)
        return {record.request["request_id"]: record for record in found}


def calibration_of(records: Iterable[Record]) -> Calibration:
    """The one calibration that judged all of these."""
    made_by = {record.calibration["version"]: record.calibration for record in records if record.calibration}
    if len(made_by) != 1:
        raise DemoError(f"not one calibration judged these requests, but {', '.join(made_by) or 'none'}")
    return msgspec.convert(next(iter(made_by.values())), Calibration)


def _read(operator: AdminClient, route: str, request_id: str, until_s: float) -> Record:
    while True:
        try:
            found = operator.request(route, request_id)
        except AdminFailure:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.2)
        else:
            return Record(route, found["request"], found["attempts"], found["calibration"])
