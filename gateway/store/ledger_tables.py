"""The tables of the ledger: what was used and paid, by the hour, kept when the records are gone."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.store.metadata import RequestId, metadata

ledger_lines = Table(
    "ledger_lines",
    metadata,
    Column("hour_us", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    Column("estimated", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour_us", "route", "model", "purpose"),
    Index(None, "route", "hour_us"),
)
"""Attempts of the requests that arrived in the hour that began then. `requests`: those that are the first of their
request; `unpriced`: those that used tokens whose price is unknown, and are not in the cost; `estimated`: those whose
tokens the gateway counted. Kinds of tokens are apart, as they are billed: no cached one is also an input token."""

ledger_pairs = Table(
    "ledger_pairs",
    metadata,
    Column("hour_us", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("weight", Float(53), nullable=False),
    Column("arm", Float(53), nullable=False),
    Column("large", Float(53), nullable=False),
    Column("squares_weight", Float(53), nullable=False),
    Column("squares_arm", Float(53), nullable=False),
    Column("squares_large", Float(53), nullable=False),
    Column("products", Float(53), nullable=False),
    Column("by_weight_arm", Float(53), nullable=False),
    Column("by_weight_large", Float(53), nullable=False),
    Column("arm_input", Float(53), nullable=False),
    Column("large_input", Float(53), nullable=False),
    Column("arm_output", Float(53), nullable=False),
    Column("large_output", Float(53), nullable=False),
    PrimaryKeyConstraint("route", "model", "hour_us"),
)
"""Sums over requests of the hour that an arm answered and, for an audit or a shadow, another model too: what either was
billed and how many tokens they took; see `routing.cost.savings.Pairs`."""

ledger_cursors = Table(
    "ledger_cursors",
    metadata,
    Column("writer_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""How far the batches of each writer are in the lines."""

ledger_later = Table(
    "ledger_later",
    metadata,
    Column("writer_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("request_id", RequestId, nullable=False),
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("writer_id", "seq", "request_id", "number"),
)
"""Attempts that a batch added to requests which may be of earlier ones, until they are in the lines."""

ledger_savings = Table(
    "ledger_savings",
    metadata,
    Column("hour_us", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("saved_nanousd", BigInteger, nullable=False),
    Column("lower_nanousd", BigInteger, nullable=False),
    Column("upper_nanousd", BigInteger, nullable=False),
    PrimaryKeyConstraint("hour_us", "route"),
)
"""What an hour of a route is estimated to have saved, with a 95 % interval. Written once, when it is over."""
