"""What experiments are summed up from: requests by writer and batch, the units they make, and the labels of those.

Batches of different writers overtake each other, so each writer has a cursor of its own, which moves in the transaction
that changes the units. A unit's sums are `[first]` or `[first, y, d]`, see `routing.experiment.accumulate.Unit`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, exists, func, select, text

from gateway.store.codec import dump, load_any
from gateway.store.experiments import StoredExperiment
from gateway.store.tables import attempts, batches, experiment_cursors, experiment_units, experiments, requests
from routing.experiment.accumulate import Request, Unit
from routing.words import Purpose

SKEW_US: Final = 60_000_000
"""By how much the clocks of two machines may differ."""
_ANSWERING: Final = (Purpose.SERVE.value, Purpose.DRAFT.value, Purpose.FALLBACK.value)
_SCANNED: Final = 2000

# From one writer to the next along the primary key: few look-ups, however many batches there are.
_ENDS: Final = text(
    "WITH RECURSIVE writers(writer_id) AS ("
    " SELECT MIN(writer_id) FROM batches"
    " UNION ALL SELECT (SELECT MIN(writer_id) FROM batches WHERE writer_id > writers.writer_id)"
    " FROM writers WHERE writers.writer_id IS NOT NULL) "
    "SELECT writer_id, (SELECT MAX(seq) FROM batches WHERE batches.writer_id = writers.writer_id) AS seq "
    "FROM writers WHERE writer_id IS NOT NULL"
)
_MOVE: Final = text(
    "INSERT INTO experiment_cursors (experiment_id, writer_id, seq) VALUES (:experiment_id, :writer_id, :seq) "
    "ON CONFLICT (experiment_id, writer_id) DO UPDATE SET seq = excluded.seq"
)
_PUT: Final = text(
    "INSERT INTO experiment_units (experiment_id, unit_hash, arm, step, entered_us, is_moved, sums) "
    "VALUES (:experiment_id, :unit_hash, :arm, :step, :entered_us, :is_moved, :sums) "
    "ON CONFLICT (experiment_id, unit_hash) DO UPDATE SET arm = excluded.arm, step = excluded.step, "
    "entered_us = excluded.entered_us, is_moved = excluded.is_moved, sums = excluded.sums"
).bindparams(bindparam("is_moved", type_=experiment_units.c.is_moved.type))


class Piece(NamedTuple):
    """Some batches of one writer."""

    requests: list[Request]
    """Those of the experiment, in no order."""
    seq: int
    """The number of the last batch."""
    written_us: int
    """When that was written, by its writer's clock."""


def expire(connection: Connection, ended_before_us: int, limit: int) -> int:
    """Delete up to `limit` units of an experiment that ended before a moment, and with the last of them its cursors.

    Results stay, and so does the experiment itself.

    Returns:
        How many units were deleted. Fewer than `limit`: of the experiments that ended by then, none has any left.
    """
    ended = select(experiments.c.id).where(experiments.c.ended_us < ended_before_us)
    has_units = exists().where(experiment_units.c.experiment_id == experiments.c.id)
    of_ended = ended.where(has_units).order_by(experiments.c.id).limit(1)
    found = connection.execute(of_ended).scalar()
    deleted = 0
    while found is not None and deleted < limit:
        units = select(experiment_units.c.unit_hash).where(experiment_units.c.experiment_id == found)
        piece = units.order_by(experiment_units.c.unit_hash).limit(limit - deleted)
        hashes = connection.execute(piece).scalars().all()
        if hashes:
            # The lowest that there are, so a range deletes exactly them.
            is_of_piece = experiment_units.c.experiment_id == found, experiment_units.c.unit_hash <= hashes[-1]
            connection.execute(delete(experiment_units).where(*is_of_piece))
        deleted += len(hashes)
        found = connection.execute(of_ended).scalar()
    if found is None:
        connection.execute(delete(experiment_cursors).where(experiment_cursors.c.experiment_id.in_(ended)))
    return deleted


def lock(connection: Connection, experiment_id: int) -> None:
    """Be the only one who sums it up, until the transaction ends."""
    connection.execute(select(experiments.c.id).where(experiments.c.id == experiment_id).with_for_update())


def cursors(connection: Connection, experiment_id: int) -> dict[str, int]:
    """How far the batches of each writer are summed up."""
    rows = connection.execute(
        text("SELECT writer_id, seq FROM experiment_cursors WHERE experiment_id = :id"), {"id": experiment_id}
    )
    return {row.writer_id: row.seq for row in rows}


def ends(connection: Connection) -> dict[str, int]:
    """The last batch of each writer."""
    return {row.writer_id: row.seq for row in connection.execute(_ENDS)}


def last_before(connection: Connection, writer_id: str, started_us: int) -> int:
    """The last batch of a writer that cannot hold a request which began at a moment or later; 0 where there is none."""
    query = select(batches.c.seq).where(batches.c.writer_id == writer_id, batches.c.written_us < started_us - SKEW_US)
    found: int | None = connection.execute(query.order_by(batches.c.seq.desc()).limit(1)).scalar()
    return found or 0


def read_piece(
    connection: Connection, experiment: StoredExperiment, steps: Mapping[int, int], after: tuple[str, int], limit: int
) -> Piece | None:
    """The next batches of a writer, with about `limit` requests or one batch; `None` where there are none.

    Args:
        connection: to the store.
        experiment: whose requests are wanted: neither forced nor targeted, and begun since its start.
        steps: by revision of the ranges, the step that they belong to.
        after: the writer, and the last of its batches that was read.
        limit: of requests, of any route.
    """
    writer_id, seq = after
    columns = batches.c.seq, batches.c.requests, batches.c.written_us
    query = select(*columns).where(batches.c.writer_id == writer_id, batches.c.seq > seq)
    upto, count, written_us = None, 0, 0
    for row in connection.execute(query.order_by(batches.c.seq).limit(limit)):
        upto, count, written_us = row.seq, count + row.requests, row.written_us
        if count >= limit:
            break
    if upto is None:
        return None
    of_writer = requests.c.writer_id == writer_id, requests.c.seq > seq, requests.c.seq <= upto
    rows = connection.execute(_EXPOSED.where(*of_writer, *_of(experiment))) if count else ()
    return Piece([_request(row, experiment, steps) for row in rows], upto, written_us)


def move_cursor(connection: Connection, experiment_id: int, writer_id: str, seq: int) -> None:
    """Note how far the batches of a writer are summed up."""
    connection.execute(_MOVE, {"experiment_id": experiment_id, "writer_id": writer_id, "seq": seq})


def read_units(connection: Connection, experiment_id: int, hashes: Iterable[str]) -> dict[str, Unit]:
    """Those of these units that have entered."""
    query = select(experiment_units).where(
        experiment_units.c.experiment_id == experiment_id, experiment_units.c.unit_hash.in_(list(hashes))
    )
    return {row.unit_hash: _unit(row) for row in connection.execute(query)}


def put_units(connection: Connection, experiment_id: int, units: Mapping[str, Unit]) -> None:
    """Keep what these units have brought by now."""
    rows = [
        {
            "experiment_id": experiment_id,
            "unit_hash": unit_hash,
            "arm": unit.arm,
            "step": unit.step,
            "entered_us": unit.entered_us,
            "is_moved": unit.is_moved,
            "sums": _sums(unit),
        }
        for unit_hash, unit in sorted(units.items())
    ]
    if rows:
        connection.execute(_PUT, rows)


def all_units(connection: Connection, experiment_id: int) -> Iterator[tuple[str, Unit]]:
    """Every unit, a piece at a time."""
    last = ""
    while True:
        query = select(experiment_units).where(
            experiment_units.c.experiment_id == experiment_id, experiment_units.c.unit_hash > last
        )
        rows = connection.execute(query.order_by(experiment_units.c.unit_hash).limit(_SCANNED)).all()
        yield from ((row.unit_hash, _unit(row)) for row in rows)
        if len(rows) < _SCANNED:
            return
        last = rows[-1].unit_hash


_OWN_RESULT = (
    select(attempts.c.result)
    .where(attempts.c.request_id == requests.c.request_id, attempts.c.number == 1)
    .scalar_subquery()
)
_TOKENS = (
    select(func.sum(attempts.c.output_tokens))
    .where(attempts.c.request_id == requests.c.request_id, attempts.c.purpose.in_(_ANSWERING))
    .scalar_subquery()
)
_EXPOSED: Final = select(
    *(
        requests.c[name]
        for name in (
            *("unit_hash", "arm", "ranges_revision", "started_us", "outcome", "is_stream"),
            *("confidence", "duration_us", "first_token_us", "cost_nanousd"),
        )
    ),
    _OWN_RESULT.label("arm_result"),
    _TOKENS.label("output_tokens"),
)


def _of(experiment: StoredExperiment) -> tuple[Any, ...]:
    return (
        requests.c.route == experiment.route,
        requests.c.started_us >= (experiment.progress.started_us or 0),
        requests.c.is_forced.is_(False),
        requests.c.bucket.is_not(None),
        requests.c.unit_hash.is_not(None),
    )


def _request(row: Any, experiment: StoredExperiment, steps: Mapping[int, int]) -> Request:
    is_compared = row.arm in (experiment.contract.baseline, experiment.contract.candidate)
    return Request(
        unit=row.unit_hash,
        arm=row.arm,
        step=steps.get(row.ranges_revision) if is_compared else None,
        at_us=row.started_us,
        outcome=row.outcome,
        arm_result=row.arm_result,
        is_stream=row.is_stream,
        confidence=row.confidence,
        duration_us=row.duration_us,
        first_token_us=row.first_token_us,
        output_tokens=int(row.output_tokens or 0),
        cost_nanousd=row.cost_nanousd,
    )


def _sums(unit: Unit) -> str:
    is_alone = unit.d == tuple(int(value is not None) for value in unit.first)
    return dump([unit.first] if is_alone else [unit.first, unit.y, unit.d])


def _unit(row: Any) -> Unit:
    first, *more = load_any(row.sums)
    y, d = more or ([value or 0.0 for value in first], [int(value is not None) for value in first])
    return Unit(
        arm=row.arm,
        step=row.step,
        entered_us=row.entered_us,
        is_moved=row.is_moved,
        first=tuple(first),
        y=tuple(y),
        d=tuple(d),
    )
