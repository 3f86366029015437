"""Requests of an experiment, as workers record them."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry, LabelRow, RequestEntry, RequestRow
from gateway.store.engine import Store
from gateway.store.feedback import FeedbackState
from gateway.store.labels import add_labels
from gateway.store.tables import feedback
from routing.words import Outcome, Purpose, Result
from tests.fakes.records import attempt_rows, audit_label, feedback_row, served_row

START_US = 1_795_000_000_000_000
"""When the experiments of tests begin."""
SECOND_US = 1_000_000


class Exposures:
    """Writes them, with any number of workers."""

    def __init__(self, store: Store, started_us: int = START_US) -> None:
        self._store = store
        self._started_us = started_us
        self._numbers = count(1)
        self._seqs: dict[str, int] = {}

    def one(self, unit: str, arm: str = "v1", *, at_s: float = 1.0, **changed: Any) -> RequestEntry:
        """A request that its arm answered, so many seconds after the start; not written yet."""
        number, at_us = next(self._numbers), self._started_us + round(at_s * SECOND_US)
        result = changed.pop("result", Result.COMPLETED)
        fields = {"arm": arm, "model": arm, "unit_hash": unit, "ranges_revision": 2, "outcome": Outcome.SERVED}
        row = served_row(number, started_us=at_us)._replace(**{**fields, "cost_nanousd": 1_000_000, **changed})
        attempt = attempt_rows(number, started_us=at_us)[0]
        own = attempt._replace(model=arm, purpose=Purpose.SERVE, result=result, reason=None, request_id=row.request_id)
        return row, [own]

    def write(self, *entries: Entry, writer: str = "w1", written_us: int | None = None) -> None:
        """Write one batch."""
        at_us = self._started_us if written_us is None else written_us
        seq = self._seqs[writer] = self._seqs.get(writer, 0) + 1
        BatchWriter(self._store, writer, lambda: at_us).write(Batch(seq=seq, entries=entries))

    def each(self, units: Iterable[str], arm: str, **changed: Any) -> list[RequestEntry]:
        """One request of each of these units."""
        return [self.one(unit, arm, **changed) for unit in units]

    def say(self, row: RequestRow, *, success: bool, at_s: float = 0.5, number: int = 0) -> None:
        """Feedback on a request that was joined with it."""
        said = feedback_row(number or next(self._numbers), request_id=row.request_id)._replace(
            value="true" if success else "false", received_us=row.started_us + round(at_s * SECOND_US)
        )
        values = {**said._asdict(), "kind": str(said.kind), "joined_request_id": row.request_id}
        joined = {"state": FeedbackState.JOINED.value, "detail": None, "writer_id": "w", "seq": 1}
        with self._store.writing() as connection:
            connection.execute(feedback.insert(), {**values, **joined})

    def audit(self, row: RequestRow, *, agrees: bool, propensity: float = 1.0) -> None:
        """The label of an audit."""
        assert row.arm is not None
        label: LabelRow = audit_label(
            1, request_id=row.request_id, model=row.arm, value=float(agrees), propensity=propensity
        )._replace(made_us=row.started_us + SECOND_US)
        with self._store.writing() as connection:
            add_labels(connection, [label])


def names(prefix: str, n: int) -> list[str]:
    """So many units."""
    return [f"{prefix}-{number}" for number in range(n)]
