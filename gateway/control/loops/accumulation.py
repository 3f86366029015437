"""The sums of one experiment, a piece of requests at a time: kept in the store by unit, and in memory over all units.

What is in memory is made from the units in the store, once, and then goes along with them. Should another process have
moved a cursor, as when the lease changes hands, it is made again.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.store import experiment_data as data
from gateway.store import experiments
from gateway.store.engine import Store
from gateway.store.experiment_labels import label_strata
from gateway.store.experiments import StoredExperiment
from routing.assignment.buckets import BUCKETS
from routing.experiment.accumulate import Request, Unit, join
from routing.experiment.contract import LABEL_METRICS, MetricName
from routing.experiment.measures import Known
from routing.experiment.tally import Stratum, Sums, Tally

PIECE: Final = 1000
"""Requests in one transaction."""
PIECES: Final = 10
"""At a turn."""
SETTLE_US: Final = 2_000_000
"""A record is written when its request has ended, a batch at a time. So long after a unit entered, its first request is
there, unless it takes longer than any before it."""
_SLOT_US: Final = 100_000
"""Units mature so many microseconds' worth at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is known at a moment."""

    known: Known
    waiting: dict[str, int]
    """By arm, units whose horizon is not over yet."""
    moved: int
    """Units that were seen in both arms."""


class Accumulator:
    """Sums up one experiment."""

    def __init__(self, store: Store, experiment: StoredExperiment, piece: int = PIECE) -> None:
        self._store = store
        self._experiment = experiment
        self._piece = piece
        self._cursors: dict[str, int] | None = None
        self._read_us: dict[str, int] = {}
        self._behind: deque[str] = deque()
        self._last_read = ""
        self._forget()

    def _forget(self) -> None:
        self._tally = Tally()
        self._waiting: dict[int, set[str]] = defaultdict(set)
        self._matured_before_us = 0
        self._longest_us = 0

    def read(self) -> bool:
        """Take in what is new, a bounded part of it, from one writer after the other; whether there is more."""
        if self._cursors is None:
            self._load()
        with self._store.reading() as connection:
            ends = data.ends(connection)
        # Begins behind the writer that was read last, so that none has to wait for others to have nothing new.
        ordered = sorted(ends, key=lambda writer_id: (writer_id <= self._last_read, writer_id))
        self._behind = deque(writer_id for writer_id in ordered if self._cursor(writer_id) < ends[writer_id])
        for _ in range(PIECES):
            if not self._behind:
                return False
            writer_id = self._last_read = self._behind.popleft()
            self._take(writer_id)
            if self._cursors is None:
                return True
            if self._cursors[writer_id] < ends[writer_id]:
                self._behind.append(writer_id)
        return bool(self._behind)

    def mature(self, now_us: int) -> None:
        """Count the units whose horizon is over, and whose requests have had the time to be recorded, and were read."""
        now_us = min((now_us, *(self._read_us.get(writer_id, 0) for writer_id in self._behind)))
        rest_us = max(self._experiment.contract.horizon_us, SETTLE_US, self._longest_us)
        before_us = (now_us - rest_us) // _SLOT_US * _SLOT_US
        if before_us <= self._matured_before_us:
            return
        slots = [slot for slot in self._waiting if slot * _SLOT_US < before_us]
        hashes = [unit_hash for slot in slots for unit_hash in self._waiting[slot]]
        with self._store.reading() as connection:
            parts = [data.read_units(connection, self._experiment.id, part) for part in _parts(hashes, PIECE)]
        self._matured_before_us = before_us
        for slot in slots:
            del self._waiting[slot]
        for part in parts:
            for unit in part.values():
                self._tally.mature(unit)

    def totals(self) -> Totals:
        """What is known, with the labels that there are now."""
        contract = self._experiment.contract
        entered = self._tally.entered(contract.baseline, contract.candidate)
        matured = self._tally.matured(contract.baseline, contract.candidate)
        with self._store.reading() as connection:
            steps = experiments.steps(connection, self._experiment.id)
            of_matured = {
                metric: label_strata(connection, self._experiment, metric, matured_before_us=self._matured_before_us)
                for metric in sorted(LABEL_METRICS)
            }
            of_entered = {
                limit.metric: label_strata(connection, self._experiment, limit.metric, matured_before_us=None)
                for limit in contract.guardrails
                if limit.metric in LABEL_METRICS
            }
        return Totals(
            known=Known(
                entered=_with_labels(entered, of_entered),
                matured=_with_labels(matured, of_matured),
                weights={step.step: (BUCKETS - step.share, step.share) for step in steps},
            ),
            waiting={
                arm: sum(pair[at] for pair in entered.units.values()) - sum(pair[at] for pair in matured.units.values())
                for at, arm in enumerate((contract.baseline, contract.candidate))
            },
            moved=self._tally.moved,
        )

    def _load(self) -> None:
        self._forget()
        with self._store.writing() as connection:
            data.lock(connection, self._experiment.id)
            self._cursors = data.cursors(connection, self._experiment.id)
            for unit_hash, unit in data.all_units(connection, self._experiment.id):
                self._tally.enter(unit)
                self._waiting[unit.entered_us // _SLOT_US].add(unit_hash)

    def _cursor(self, writer_id: str) -> int:
        assert self._cursors is not None
        if writer_id not in self._cursors:
            with self._store.reading() as connection:
                started_us = self._experiment.progress.started_us or 0
                self._cursors[writer_id] = data.last_before(connection, writer_id, started_us)
        return self._cursors[writer_id]

    def _take(self, writer_id: str) -> None:
        """Read some batches, and change the units with the cursor or not at all."""
        assert self._cursors is not None
        known, experiment_id = self._cursors[writer_id], self._experiment.id
        with self._store.reading() as connection:
            steps = {one.ranges_revision: one.step for one in experiments.steps(connection, experiment_id)}
            piece = data.read_piece(connection, self._experiment, steps, (writer_id, known), self._piece)
        if piece is None:
            return
        with self._store.writing() as connection:
            data.lock(connection, experiment_id)
            if data.cursors(connection, experiment_id).get(writer_id, known) != known:
                self._cursors = None
                return
            before = data.read_units(connection, experiment_id, {request.unit for request in piece.requests})
            after = self._joined(piece.requests, before)
            data.put_units(connection, experiment_id, after)
            data.move_cursor(connection, experiment_id, writer_id, piece.seq)
        self._cursors[writer_id], self._read_us[writer_id] = piece.seq, piece.written_us
        self._longest_us = max((self._longest_us, *(request.duration_us for request in piece.requests)))
        for unit_hash, unit in after.items():
            self._count(unit_hash, before.get(unit_hash), unit)

    def _joined(self, requests: Sequence[Request], before: Mapping[str, Unit]) -> dict[str, Unit]:
        """The units that change."""
        after: dict[str, Unit] = {}
        for request in sorted(requests, key=lambda one: one.at_us):
            unit = join(
                after.get(request.unit, before.get(request.unit)), request, self._experiment.contract.horizon_us
            )
            if unit is not None:
                after[request.unit] = unit
        return {unit_hash: unit for unit_hash, unit in after.items() if unit != before.get(unit_hash)}

    def _count(self, unit_hash: str, before: Unit | None, after: Unit) -> None:
        if before is not None:
            self._tally.enter(before, -1)
            self._waiting[before.entered_us // _SLOT_US].discard(unit_hash)
            if before.entered_us < self._matured_before_us:
                self._tally.mature(before, -1)
        self._tally.enter(after)
        if after.entered_us < self._matured_before_us:
            self._tally.mature(after)
        else:
            self._waiting[after.entered_us // _SLOT_US].add(unit_hash)


def _with_labels(sums: Sums, labels: Mapping[MetricName, Mapping[int, Stratum]]) -> Sums:
    return replace(sums, strata={**sums.strata, **labels})


def _parts(hashes: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(hashes), size):
        yield hashes[start : start + size]
