"""The tables of what is done beside requests: what it may cost, what shadows answered, and what hardware cost idle."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.store import ledger_tables
from gateway.store.metadata import RequestId, metadata

__all__ = ["ledger_idle", "ledger_tables", "shadows", "spend"]

spend = Table(
    "spend",
    metadata,
    Column("route", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("writer_id", Text, nullable=False),
    Column("spent_nanousd", BigInteger, nullable=False),
    PrimaryKeyConstraint("route", "purpose", "day", "writer_id"),
)
"""What a worker may spend on audits or shadows (`purpose`) of a route on a day (days since 1970, UTC): what it has
spent, and what it has set aside for the next ones. The sum over workers stays within the route's cap."""

shadows = Table(
    "shadows",
    metadata,
    Column("request_id", RequestId, nullable=False),
    Column("route", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("propensity", Float(53), nullable=False),
    Column("agrees", Boolean),
    Column("made_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("request_id"),
    Index(None, "route", "request_id"),
)
"""Requests that were also sent to another model. What either took and cost is in `attempts`: the arm's is number 1, the
other model's is `number`. `agrees` is null where that cannot be told, or no answer came."""

ledger_idle = Table(
    "ledger_idle",
    metadata,
    Column("hour_us", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("price_version", Text, nullable=False),
    Column("billed_nanousd", BigInteger, nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour_us", "model"),
)
"""What the hardware of a model with a rate card cost in the hour that began then, beyond what its requests of that hour
were billed; of hardware that models share, this model's part. Written once, after the hour, also where it is 0."""
