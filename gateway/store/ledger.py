"""The ledger in the store: records are rolled up into hourly lines, a few batches of one writer at a time, once each.

Batches of different writers overtake each other, so each writer has a cursor, which moves in the transaction that
changes the lines. What audits and shadows call is recorded after its request, maybe in a later batch, and is marked
there; so that each attempt goes into the lines with the batch that brought it.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    case,
    delete,
    func,
    literal,
    literal_column,
    select,
    text,
)

from gateway.store import ledger_pairs
from gateway.store.experiment_data import ends
from gateway.store.ledger_tables import ledger_cursors, ledger_later, ledger_lines
from gateway.store.tables import attempts, batches, requests
from routing.cost.idle import HOUR_US
from routing.cost.ledger import COUNTS, Line
from routing.words import ModelName, Purpose

_SIDE: Final = tuple(purpose.value for purpose in (Purpose.AUDIT, Purpose.SHADOW, Purpose.JUDGE))
# Not as parameters: an expression is grouped by only where it is known to be the same.
_HOUR: Final = literal_column(str(HOUR_US), BigInteger)
_NO_ROUTE: Final = literal_column("''", Text)
_KEY: Final = ("hour_us", "route", "model", "purpose")
_ADD: Final = text(
    f"INSERT INTO ledger_lines ({', '.join((*_KEY, *COUNTS))}) "
    f"VALUES ({', '.join(f':{name}' for name in (*_KEY, *COUNTS))}) "
    f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = ledger_lines.{name} + excluded.{name}" for name in COUNTS)
)
_BEGIN: Final = text(
    "INSERT INTO ledger_cursors (writer_id, seq) VALUES (:writer_id, :upto) ON CONFLICT (writer_id) DO NOTHING"
)
_MOVE: Final = text("UPDATE ledger_cursors SET seq = :upto WHERE writer_id = :writer_id AND seq = :seq")


def behind(connection: Connection) -> dict[str, int | None]:
    """The writers with batches that are not in the lines, with the last batch that is; `None` where none is."""
    known = {row.writer_id: row.seq for row in connection.execute(select(ledger_cursors))}
    return {writer: known.get(writer) for writer, last in ends(connection).items() if last > known.get(writer, 0)}


def roll_up(connection: Connection, writer_id: str, seq: int | None, limit: int) -> bool:
    """Add the next batches of a writer to the lines, those with about `limit` requests, or one batch.

    Args:
        connection: in a transaction.
        writer_id: whose batches.
        seq: the last one that is in the lines; `None` where none is.
        limit: of requests and of batches.

    Returns:
        Whether anything was added. Not so when somebody else has, since `seq` was read.
    """
    after = seq or 0
    upto = _upto(connection, writer_id, after, limit)
    if upto is None:
        return False
    moved = connection.execute(
        _BEGIN if seq is None else _MOVE, {"writer_id": writer_id, "seq": after, "upto": upto}
    ).rowcount
    if not moved:
        return False
    add(connection, _lines(connection, writer_id, after, upto))
    ledger_pairs.add(connection, writer_id, upto)
    of_piece = and_(ledger_later.c.writer_id == writer_id, ledger_later.c.seq <= upto)
    connection.execute(delete(ledger_later).where(of_piece))
    return True


def add(connection: Connection, lines: Iterable[Line]) -> None:
    """Add to lines, which begin at nothing."""
    rows = [
        {name: getattr(line, name) for name in (*_KEY, *COUNTS)}
        for line in sorted(lines, key=lambda line: (line.hour_us, line.route, line.model, line.purpose))
    ]  # in one order, so that two that add at once do not wait for each other in a circle
    if rows:
        connection.execute(_ADD, rows)


def lines_of(connection: Connection, route: str, since_us: int, until_us: int) -> list[Line]:
    """The lines of a route's hours that began from one moment on and before another, summed over hours.

    The hour of each is the first of that model and purpose.
    """
    by = (ledger_lines.c.route, ledger_lines.c.model, ledger_lines.c.purpose)
    sums = [func.sum(ledger_lines.c[name]).label(name) for name in COUNTS]
    query = select(func.min(ledger_lines.c.hour_us).label("hour_us"), *by, *sums).where(
        ledger_lines.c.route == route, ledger_lines.c.hour_us >= since_us, ledger_lines.c.hour_us < until_us
    )
    return [_line(row) for row in connection.execute(query.group_by(*by).order_by(*by))]


def billed_nanousd(connection: Connection, since_us: int, until_us: int) -> dict[tuple[str, ModelName], int]:
    """What was billed in these hours, by route and model."""
    by = (ledger_lines.c.route, ledger_lines.c.model)
    query = select(*by, func.sum(ledger_lines.c.cost_nanousd).label("cost")).where(
        ledger_lines.c.hour_us >= since_us, ledger_lines.c.hour_us < until_us
    )
    return {(row.route, ModelName(row.model)): int(row.cost) for row in connection.execute(query.group_by(*by))}


def _upto(connection: Connection, writer_id: str, after: int, limit: int) -> int | None:
    query = select(batches.c.seq, batches.c.requests).where(batches.c.writer_id == writer_id, batches.c.seq > after)
    upto, count = None, 0
    for row in connection.execute(query.order_by(batches.c.seq).limit(limit)):
        upto, count = row.seq, count + row.requests
        if count >= limit:
            break
    return upto


def _lines(connection: Connection, writer_id: str, after: int, upto: int) -> list[Line]:
    of_requests = and_(requests.c.writer_id == writer_id, requests.c.seq > after, requests.c.seq <= upto)
    answering = _summed(requests.c.route, requests.c.started_us).select_from(
        requests.join(attempts, attempts.c.request_id == requests.c.request_id)
    )
    of_marks = and_(ledger_later.c.writer_id == writer_id, ledger_later.c.seq > after, ledger_later.c.seq <= upto)
    is_marked = and_(attempts.c.request_id == ledger_later.c.request_id, attempts.c.number == ledger_later.c.number)
    # A request that was never recorded, for want of room, may have left an audit all the same.
    beside = _summed(
        func.coalesce(requests.c.route, _NO_ROUTE), func.coalesce(requests.c.started_us, attempts.c.started_us)
    ).select_from(
        ledger_later.join(attempts, is_marked).outerjoin(requests, requests.c.request_id == attempts.c.request_id)
    )
    found = connection.execute(answering.where(of_requests, attempts.c.purpose.not_in(_SIDE))).all()
    return [_line(row) for row in (*found, *connection.execute(beside.where(of_marks)))]


def _summed(route: Any, started_us: Any) -> Select[Any]:
    used, cost = attempts.c.input_tokens, attempts.c.cost_nanousd
    cached, written = func.coalesce(attempts.c.cached_input_tokens, 0), func.coalesce(attempts.c.cache_write_tokens, 0)
    reasoned = func.coalesce(attempts.c.reasoning_tokens, 0)
    counts = {
        "requests": case((attempts.c.number == 1, 1), else_=0),
        "attempts": literal(1),
        "unpriced": case((used.is_not(None) & cost.is_(None), 1), else_=0),
        "estimated": case((attempts.c.usage_estimated, 1), else_=0),
        "input_tokens": used - cached - written,
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "output_tokens": attempts.c.output_tokens - reasoned,
        "reasoning_tokens": reasoned,
        "cost_nanousd": cost,
    }
    hour = (started_us - started_us % _HOUR).label("hour_us")
    by: tuple[ColumnElement[Any], ...] = (hour, route.label("route"), attempts.c.model, attempts.c.purpose)
    sums = [func.coalesce(func.sum(counts[name]), 0).label(name) for name in COUNTS]
    return select(*by, *sums).group_by(*by)


def _line(row: Row[Any]) -> Line:
    return Line(
        hour_us=int(row.hour_us),
        route=row.route,
        model=ModelName(row.model),
        purpose=row.purpose,
        **{name: int(getattr(row, name)) for name in COUNTS},
    )
