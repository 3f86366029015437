"""The tables of experiments: what was promised, how far each came, and what was seen of each unit."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.store.metadata import RowId, metadata

experiments = Table(
    "experiments",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("route", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("contract", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("step_since_us", BigInteger, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("reason", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("before_id", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Index(None, "route", "name", unique=True),
)
"""One row for each that was started. `before_id` is the row of `split_history` that was in force before the start, to
which an experiment without success returns."""

experiment_steps = Table(
    "experiment_steps",
    metadata,
    Column("experiment_id", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Column("ranges_revision", BigInteger, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("share", Integer, nullable=False),
    PrimaryKeyConstraint("experiment_id", "ranges_revision"),
)
"""Which ranges belong to which step: the step of a request is found by its `ranges_revision`. A step that was left and
resumed has several. `share` is the candidate's, in hundredths of a percent of all units."""

experiment_cursors = Table(
    "experiment_cursors",
    metadata,
    Column("experiment_id", BigInteger, nullable=False),
    Column("writer_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("experiment_id", "writer_id"),
)
"""How far the batches of each writer are summed up."""

experiment_units = Table(
    "experiment_units",
    metadata,
    Column("experiment_id", BigInteger, nullable=False),
    Column("unit_hash", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("entered_us", BigInteger, nullable=False),
    Column("is_moved", Boolean, nullable=False),
    Column("sums", Text, nullable=False),
    PrimaryKeyConstraint("experiment_id", "unit_hash"),
)
"""What one unit brought. `arm` and `step` are those of its entry; `is_moved`: it was seen in another arm later."""

experiment_results = Table(
    "experiment_results",
    metadata,
    Column("experiment_id", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("experiment_id", "at_us"),
)
"""What was known at a moment, as JSON."""
