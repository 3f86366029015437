"""The tables of retraining: how far each reason is, what versions were worth at first, and who has to be told."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.store.metadata import metadata

retraining = Table(
    "retraining",
    metadata,
    Column("route", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("version", Text),
    Column("seen_since_us", BigInteger),
    Column("away_since_us", BigInteger),
    Column("due_since_us", BigInteger),
    PrimaryKeyConstraint("route", "reason"),
)
"""How far each reason of a route is, as it was looked at last."""

retraining_baselines = Table(
    "retraining_baselines",
    metadata,
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("trained_us", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    Column("accuracy", Float(53), nullable=False),
    Column("error", Float(53), nullable=False),
    PrimaryKeyConstraint("route", "model"),
)
"""What the first audits of a version found, since labels are not kept for ever."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("route", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("due_since_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("status", Integer),
    Column("error", Text),
    Index(None, "state", "next_us"),
)
"""What a webhook has to be told, once for each cause; `state`: waiting, delivered, failed or withdrawn. `status` and
`error` are of the last attempt; both are null where none was made."""
