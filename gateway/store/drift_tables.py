"""The tables of drift: slices that workers hand over, what they are compared with, and what came of it."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from gateway.store.metadata import metadata

drift_slices = Table(
    "drift_slices",
    metadata,
    Column("writer_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("began_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("writer_id", "seq", "route", "model"),
)
"""Summaries of some seconds, by arm; one number `seq` of a writer has those of several arms. Gone once they are part of
a window. Bodies of all these tables are JSON, deflated (RFC 1950)."""

drift_cursors = Table(
    "drift_cursors",
    metadata,
    Column("writer_id", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("moved_us", BigInteger, nullable=False),
)
"""How far the slices of each writer are part of windows."""

drift_references = Table(
    "drift_references",
    metadata,
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("route", "model", "side"),
)
"""What a version's requests (`side`: input) and answers (output) were like. `source`: `training`, its training
set (then `route` is empty, as it holds for all), or `traffic`, its first requests on a route."""

drift_windows = Table(
    "drift_windows",
    metadata,
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("began_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("route", "model", "began_us"),
    Index(None, "ended_us"),
)
"""Windows that are over, with what was found in them."""

drift_state = Table(
    "drift_state",
    metadata,
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("route", "model"),
)
"""The open window of an arm, its detectors and its alarms."""
