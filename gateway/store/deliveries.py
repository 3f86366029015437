"""What webhooks have to be told, and what came of it: once for each message, over restarts and replicas."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, select, text, update

from gateway.store.retraining_tables import deliveries

KEPT_US: Final = 400 * 86_400_000_000
"""What is over is kept for longer than a year."""


class DeliveryState(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    """The receiver took it at no attempt."""
    WITHDRAWN = "withdrawn"
    """Its cause was over, or nobody is to be told any more, before it could be delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message."""

    id: str
    route: str
    reason: str
    due_since_us: int
    body: str
    """JSON; every attempt sends the same bytes."""
    state: DeliveryState
    attempts: int
    next_us: int
    """When it is tried next, while it is waiting."""
    made_us: int
    ended_us: int | None
    status: int | None
    """The receiver's, at the last attempt; `None` where none came."""
    error: str | None
    """Why the last attempt came to nothing; `None` where it did not."""


_COLUMNS: Final = tuple(column.name for column in deliveries.columns)
_ADD = text(
    f"INSERT INTO deliveries ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    "ON CONFLICT (id) DO NOTHING"
)


def add(connection: Connection, delivery: Delivery) -> None:
    """Keep a message to be delivered. Nothing happens where its id is known: it is the same message."""
    row = {name: getattr(delivery, name) for name in _COLUMNS}
    connection.execute(_ADD, {**row, "state": delivery.state.value})
    is_over = (deliveries.c.state != DeliveryState.WAITING.value) & (deliveries.c.made_us < delivery.made_us - KEPT_US)
    connection.execute(delete(deliveries).where(is_over))


def one(connection: Connection, delivery_id: str) -> Delivery | None:
    """The message of this id."""
    row = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).mappings().first()
    return None if row is None else Delivery(**{**row, "state": DeliveryState(row["state"])})


def waiting(connection: Connection, until_us: int, *, limit: int) -> Sequence[Delivery]:
    """Those whose next attempt is due, the longest waiting first."""
    query = (
        select(deliveries)
        .where(deliveries.c.state == DeliveryState.WAITING.value, deliveries.c.next_us <= until_us)
        .order_by(deliveries.c.next_us, deliveries.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings()
    return [Delivery(**{**row, "state": DeliveryState(row["state"])}) for row in rows]


def of_route(connection: Connection, route: str, *, limit: int) -> Sequence[Delivery]:
    """The latest of a route, newest first."""
    query = (
        select(deliveries)
        .where(deliveries.c.route == route)
        .order_by(deliveries.c.made_us.desc(), deliveries.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings()
    return [Delivery(**{**row, "state": DeliveryState(row["state"])}) for row in rows]


def claim(connection: Connection, delivery: Delivery, *, next_us: int) -> bool:
    """Take the next attempt on oneself, before it is made; `False` where somebody else has.

    Whoever dies in the middle of it leaves a message that is tried again at `next_us`.
    """
    same = (deliveries.c.id == delivery.id) & (deliveries.c.attempts == delivery.attempts)
    is_waiting = deliveries.c.state == DeliveryState.WAITING.value
    taken = update(deliveries).where(same, is_waiting).values(attempts=delivery.attempts + 1, next_us=next_us)
    return connection.execute(taken).rowcount == 1


def settle(
    connection: Connection, delivery_id: str, state: DeliveryState, at_us: int, *, status: int | None, error: str | None
) -> None:
    """Note what came of an attempt, or that there will be none. What is delivered stays so."""
    ended_us = None if state is DeliveryState.WAITING else at_us
    is_open = deliveries.c.state == DeliveryState.WAITING.value
    changed = update(deliveries).where(deliveries.c.id == delivery_id, is_open)
    connection.execute(changed.values(state=state.value, ended_us=ended_us, status=status, error=error))
