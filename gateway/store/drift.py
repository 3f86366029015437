"""Slices of what requests are like, the windows they make, references and states of drift.

Workers of all machines hand slices over, each counting its own. A slice is folded into a window once: the loop moves
the writer's cursor in the transaction that keeps the window, so one that is handed over again is known to be old.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, text

from gateway.store.codec import pack, unpack
from gateway.store.engine import Store
from gateway.store.tables import drift_cursors, drift_references, drift_slices, drift_state, drift_windows
from routing.drift.features import Side
from routing.drift.summary import Summary

ALL_ROUTES: Final = ""
"""The route of a reference that holds for every route."""


class Slice(NamedTuple):
    """What one arm had in some seconds, as one worker saw it."""

    route: str
    model: str
    began_us: int
    ended_us: int
    summary: Summary


class StoredSlice(NamedTuple):
    """A slice and who handed it over."""

    writer_id: str
    seq: int
    slice: Slice


class Window(NamedTuple):
    """A window that is over."""

    route: str
    model: str
    began_us: int
    ended_us: int
    n: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReference:
    """What a version is compared with on one side."""

    route: str
    """`ALL_ROUTES` for a training set."""
    model: str
    side: Side
    source: str
    """`training` or `traffic`."""
    made_us: int
    n: int
    """Requests in it."""
    chunks: Sequence[Summary]
    """Its parts; what they sum up to is the reference."""
    about: dict[str, Any]
    """What else is known of it, such as the digest of the training set."""


# Made once: an expression refers to itself, and one for each slice would pile up until the collector comes.
_ADD = text(
    "INSERT INTO drift_slices (writer_id, seq, route, model, began_us, ended_us, body) "
    "VALUES (:writer_id, :seq, :route, :model, :began_us, :ended_us, :body) ON CONFLICT DO NOTHING"
).bindparams(bindparam("body", type_=drift_slices.c.body.type))
_IS_WAITING = select(drift_slices.c.seq).where(
    (drift_slices.c.writer_id == bindparam("mine")) & (drift_slices.c.seq == bindparam("number"))
)
_FOLDED = select(drift_cursors.c.seq).where(drift_cursors.c.writer_id == bindparam("mine"))
_MOVE = text(
    "INSERT INTO drift_cursors (writer_id, seq, moved_us) VALUES (:writer_id, :seq, :moved_us) "
    "ON CONFLICT (writer_id) DO UPDATE SET seq = excluded.seq, moved_us = excluded.moved_us"
)
_PUT_STATE = text(
    "INSERT INTO drift_state (route, model, updated_us, body) VALUES (:route, :model, :updated_us, :body) "
    "ON CONFLICT (route, model) DO UPDATE SET updated_us = excluded.updated_us, body = excluded.body"
).bindparams(bindparam("body", type_=drift_state.c.body.type))
_PUT_REFERENCE = text(
    "INSERT INTO drift_references (route, model, side, source, made_us, n, body) "
    "VALUES (:route, :model, :side, :source, :made_us, :n, :body) ON CONFLICT (route, model, side) DO UPDATE SET "
    "source = excluded.source, made_us = excluded.made_us, n = excluded.n, body = excluded.body"
).bindparams(bindparam("body", type_=drift_references.c.body.type))


def hand_over(store: Store, writer_id: str, seq: int, slices: Iterable[Slice]) -> None:
    """Keep the slices of one number of a writer, unless they are kept or folded already.

    Raises:
        StoreUnavailable: it is not known whether they are kept; hand them over again with the same number.
    """
    rows = [
        {"writer_id": writer_id, "seq": seq, "route": route, "model": model, "began_us": began_us,
         "ended_us": ended_us, "body": pack(summary.as_document())}
        for route, model, began_us, ended_us, summary in slices
    ]  # fmt: skip
    with store.writing() as connection:
        # In this order: what the loop folds in between is no longer waiting, but its cursor has moved.
        is_waiting = connection.execute(_IS_WAITING, {"mine": writer_id, "number": seq}).first() is not None
        folded: int = connection.execute(_FOLDED, {"mine": writer_id}).scalar() or 0
        if rows and not is_waiting and seq > folded:
            connection.execute(_ADD, rows)


def waiting(connection: Connection, limit: int) -> list[StoredSlice]:
    """Slices that are in no window yet, each writer's in its own order; whole numbers `seq` only, about `limit`."""
    # A try that was long on its way may bring a number that is folded already; it goes with the next fold.
    moved = drift_slices.outerjoin(drift_cursors, drift_cursors.c.writer_id == drift_slices.c.writer_id)
    is_new = drift_cursors.c.seq.is_(None) | (drift_slices.c.seq > drift_cursors.c.seq)
    new = select(drift_slices).select_from(moved).where(is_new)
    query = new.order_by(drift_slices.c.writer_id, drift_slices.c.seq).limit(limit)
    rows = connection.execute(query).all()
    if len(rows) == limit:  # the last number may be cut off
        end = rows[-1]
        same = (drift_slices.c.writer_id == end.writer_id) & (drift_slices.c.seq == end.seq)
        kept = [row for row in rows if (row.writer_id, row.seq) != (end.writer_id, end.seq)]
        rows = [*kept, *connection.execute(select(drift_slices).where(same)).all()]
    return [
        StoredSlice(
            row.writer_id,
            row.seq,
            Slice(row.route, row.model, row.began_us, row.ended_us, Summary.from_document(unpack(row.body))),
        )
        for row in rows
    ]


def fold(connection: Connection, slices: Iterable[StoredSlice], now_us: int) -> None:
    """Note that slices are part of windows now, and forget them. In the transaction that keeps those windows."""
    last: dict[str, int] = {}
    for writer_id, seq, _ in slices:
        last[writer_id] = max(last.get(writer_id, 0), seq)
    for writer_id, seq in last.items():
        connection.execute(_MOVE, {"writer_id": writer_id, "seq": seq, "moved_us": now_us})
        old = (drift_slices.c.writer_id == writer_id) & (drift_slices.c.seq <= seq)
        connection.execute(delete(drift_slices).where(old))


def put_state(connection: Connection, route: str, model: str, at_us: int, body: object) -> None:
    """Keep the state of an arm."""
    values = {"route": route, "model": model, "updated_us": at_us, "body": pack(body)}
    connection.execute(_PUT_STATE, values)


def state_marks(connection: Connection) -> dict[tuple[str, str], int]:
    """When each state was kept, by route and model."""
    rows = connection.execute(select(drift_state.c.route, drift_state.c.model, drift_state.c.updated_us))
    return {(row.route, row.model): row.updated_us for row in rows}


def states(connection: Connection, route: str | None = None, model: str | None = None) -> dict[tuple[str, str], Any]:
    """The states that there are, by route and model."""
    query = select(drift_state)
    if route is not None:
        query = query.where(drift_state.c.route == route)
    if model is not None:
        query = query.where(drift_state.c.model == model)
    return {(row.route, row.model): unpack(row.body) for row in connection.execute(query)}


def put_window(connection: Connection, window: Window) -> None:
    """Keep a window that is over. One that begins at the same moment is there already."""
    key = (drift_windows.c.route == window.route) & (drift_windows.c.model == window.model)
    same = key & (drift_windows.c.began_us == window.began_us)
    connection.execute(delete(drift_windows).where(same))
    connection.execute(insert(drift_windows).values(**{**window._asdict(), "body": pack(window.body)}))


def last_windows(connection: Connection, route: str, model: str, limit: int) -> list[Window]:
    """The newest windows of an arm, newest first."""
    of_arm = (drift_windows.c.route == route) & (drift_windows.c.model == model)
    query = select(drift_windows).where(of_arm).order_by(drift_windows.c.began_us.desc()).limit(limit)
    return [
        Window(row.route, row.model, row.began_us, row.ended_us, row.n, unpack(row.body))
        for row in connection.execute(query)
    ]


def put_reference(connection: Connection, reference: StoredReference) -> None:
    """Keep a reference; it takes the place of the one before."""
    body = {"chunks": [chunk.as_document() for chunk in reference.chunks], "about": reference.about}
    values = {
        "route": reference.route, "model": reference.model, "side": reference.side.value, "source": reference.source,
        "made_us": reference.made_us, "n": reference.n, "body": pack(body),
    }  # fmt: skip
    connection.execute(_PUT_REFERENCE, values)


def references_of(connection: Connection, route: str, model: str) -> dict[Side, StoredReference]:
    """What a version is compared with on a route: its training set if there is one, else its first requests."""
    of_model = (drift_references.c.model == model) & drift_references.c.route.in_((route, ALL_ROUTES))
    query = select(drift_references).where(of_model).order_by(drift_references.c.route.desc())  # training sets last
    found: dict[Side, StoredReference] = {}
    for row in connection.execute(query):
        body = unpack(row.body)
        found[Side(row.side)] = StoredReference(
            route=row.route,
            model=row.model,
            side=Side(row.side),
            source=row.source,
            made_us=row.made_us,
            n=row.n,
            chunks=[Summary.from_document(chunk) for chunk in body["chunks"]],
            about=body["about"],
        )
    return found


def expire(connection: Connection, older_than_us: int) -> None:
    """Forget windows and cursors of that time, and slices that nobody folded."""
    connection.execute(delete(drift_slices).where(drift_slices.c.ended_us < older_than_us))
    connection.execute(delete(drift_windows).where(drift_windows.c.ended_us < older_than_us))
    connection.execute(delete(drift_cursors).where(drift_cursors.c.moved_us < older_than_us))


def are_waiting(connection: Connection, slices: Sequence[StoredSlice]) -> bool:
    """Whether none of the slices is part of a window yet, as when somebody else had folded them meanwhile."""
    ends: dict[str, int] = {}
    for writer_id, seq, _ in slices:
        ends[writer_id] = min(ends.get(writer_id, seq), seq)
    for writer_id, first in ends.items():
        folded: int = connection.execute(_FOLDED, {"mine": writer_id}).scalar() or 0
        if folded >= first:
            return False
    return True


def reference_marks(connection: Connection, route: str, model: str) -> dict[Side, tuple[str, int]]:
    """Of each reference of a version the route and when it was made: what tells whether it is another one."""
    table = drift_references
    query = select(table.c.side, table.c.route, table.c.made_us).where(
        table.c.model == model, table.c.route.in_((route, ALL_ROUTES))
    )
    rows = connection.execute(query.order_by(table.c.route.desc()))
    return {Side(row.side): (row.route, row.made_us) for row in rows}
