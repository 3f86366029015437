"""Idle time in the store: what an hour's requests were billed, and the lines that are written of it, once each."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, select, text

from gateway.snapshot.document import Document
from gateway.store import snapshots
from gateway.store.retention import first_id_at
from gateway.store.tables import attempts, ledger_idle
from gateway.store.tables import snapshots as published
from routing.cost.idle import HOUR_US
from routing.words import ModelName

_INSERT = text(
    "INSERT INTO ledger_idle (hour_us, model, price_version, billed_nanousd, cost_nanousd) "
    "VALUES (:hour_us, :model, :price_version, :billed_nanousd, :cost_nanousd) ON CONFLICT (hour_us, model) DO NOTHING"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleLine:
    """Of one model in one hour. Money in nano-dollars."""

    hour_us: int
    model: ModelName
    price_version: str
    billed_nanousd: int
    """To the requests of the hour."""
    cost_nanousd: int
    """Of the rest of the hour, or this model's part of it."""


def last_hour_us(connection: Connection) -> int | None:
    """The hour of the last lines; `None` before the first."""
    return connection.execute(select(func.max(ledger_idle.c.hour_us))).scalar()


def first_snapshot_us(connection: Connection) -> int | None:
    """When anything was configured first, as far back as the store goes; `None` where nothing is."""
    return connection.execute(select(func.min(published.c.created_us))).scalar()


def document_at(connection: Connection, at_us: int) -> Document | None:
    """What was in force at a moment; `None` where nothing was."""
    newest = select(func.max(published.c.revision)).where(published.c.created_us <= at_us)
    revision = connection.execute(newest).scalar()
    snapshot = None if revision is None else snapshots.read(connection, revision)
    return None if snapshot is None else snapshot.document


def billed_nanousd(connection: Connection, hour_us: int) -> dict[ModelName, int]:
    """What the requests that arrived in an hour were billed, by model and for whatever purpose."""
    first, after = first_id_at(hour_us), first_id_at(hour_us + HOUR_US)
    of_hour = (attempts.c.request_id >= first) & (attempts.c.request_id < after)
    query = select(attempts.c.model, func.sum(attempts.c.cost_nanousd)).where(of_hour).group_by(attempts.c.model)
    return {ModelName(model): int(nanousd or 0) for model, nanousd in connection.execute(query)}


def put(connection: Connection, lines: Iterable[IdleLine]) -> list[IdleLine]:
    """Write lines that are not there yet, and say which these were. One that is there stays as it is."""
    return [line for line in lines if connection.execute(_INSERT, asdict(line)).rowcount]


def lines_between(connection: Connection, from_us: int, until_us: int) -> list[IdleLine]:
    """The lines of the hours that began from one moment on and before another, in order."""
    of_span = (ledger_idle.c.hour_us >= from_us) & (ledger_idle.c.hour_us < until_us)
    query = select(ledger_idle).where(of_span).order_by(ledger_idle.c.hour_us, ledger_idle.c.model)
    return [
        IdleLine(
            hour_us=row["hour_us"],
            model=ModelName(row["model"]),
            price_version=row["price_version"],
            billed_nanousd=row["billed_nanousd"],
            cost_nanousd=row["cost_nanousd"],
        )
        for row in connection.execute(query).mappings()
    ]
