"""The tables, as SQLAlchemy Core sees them. Times are UTC microseconds, money is nano-dollars, JSON is kept as text."""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text

from gateway.store.drift_tables import drift_cursors, drift_references, drift_slices, drift_state, drift_windows
from gateway.store.experiment_tables import (
    experiment_cursors,
    experiment_results,
    experiment_steps,
    experiment_units,
    experiments,
)
from gateway.store.metadata import RequestId, RowId, index_of_given, metadata
from gateway.store.retraining_tables import deliveries, retraining, retraining_baselines
from gateway.store.side_tables import ledger_idle, shadows, spend

__all__ = [
    "attempts",
    "audit",
    "batches",
    "calibrations",
    "configuration",
    "deliveries",
    "drift_cursors",
    "drift_references",
    "drift_slices",
    "drift_state",
    "drift_windows",
    "experiment_cursors",
    "experiment_results",
    "experiment_steps",
    "experiment_units",
    "experiments",
    "feedback",
    "keys",
    "labels",
    "leases",
    "ledger_idle",
    "metadata",
    "overlays",
    "requests",
    "retraining",
    "retraining_baselines",
    "shadows",
    "snapshots",
    "spend",
    "split_history",
    "versions",
    "workers",
]

configuration = Table(
    "configuration",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("file_digest", Text),
    Column("file_document", Text),
    Column("unit_secret", Text, nullable=False),
)
"""One row: what is in force. Who changes anything locks it first."""

snapshots = Table(
    "snapshots",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("created_us", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

overlays = Table(
    "overlays",
    metadata,
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text),
    Column("at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "name", "field"),
)

split_history = Table(
    "split_history",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("route", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("split", Text, nullable=False),
    Column("ranges", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("previous_id", RowId, ForeignKey("split_history.id")),
    Column("made_by", Text, nullable=False),
    Index(None, "route", "id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("route", Text),
    Column("reason", Text),
    Column("detail", Text, nullable=False),
    Column("revision", BigInteger),
    Index(None, "route", "id"),
)

workers = Table(
    "workers",
    metadata,
    Column("writer_id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("loaded_us", BigInteger, nullable=False),
    Column("heartbeat_us", BigInteger, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("notices", Text, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until_us", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("model", Text, primary_key=True),
    Column("lineage", Text, nullable=False),
    Column("dataset_sha256", Text),
    Column("base_model", Text),
    Column("registered_us", BigInteger, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("writer_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("written_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("writer_id", "seq"),
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", RequestId, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("arm", Text),
    Column("model", Text),
    Column("key_name", Text),
    Column("endpoint", Text, nullable=False),
    Column("is_stream", Boolean, nullable=False),
    Column("unit_hash", Text),
    Column("unit_place", Text),
    Column("bucket", Integer),
    Column("revision", BigInteger, nullable=False),
    Column("ranges_revision", BigInteger),
    Column("propensity", Float(53)),
    Column("is_forced", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("status", Integer),
    Column("attempts", Integer, nullable=False),
    Column("finish_reason", Text),
    Column("answer_id", Text),
    Column("confidence_mode", Text),
    Column("judged", Text),
    Column("score_name", Text),
    Column("score", Float(53)),
    Column("confidence", Float(53)),
    Column("calibration", Text),
    Column("threshold", Float(53)),
    Column("late_confidence", Float(53)),
    Column("prefix_features", Text),
    Column("whole_features", Text),
    Column("audit_propensity", Float(53)),
    Column("started_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("first_token_us", BigInteger),
    Column("overhead_us", BigInteger),
    Column("cost_nanousd", BigInteger),
    Column("writer_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index(None, "writer_id", "seq"),
    index_of_given("requests", "answer_id"),
)
"""`answer_id` is null where the answer's id is made of the request's, which then finds it. `judged` is `whole` or
`prefix`: what the decision was made on, and what score, confidence and threshold are of. Features are JSON lists in the
order of `routing.confidence.features.as_row`."""

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", RequestId, nullable=False),
    Column("number", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("reason", Text),
    Column("upstream_status", Integer),
    Column("started_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("first_token_us", BigInteger),
    Column("input_tokens", BigInteger),
    Column("cached_input_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("usage_estimated", Boolean, nullable=False),
    Column("cost_nanousd", BigInteger),
    Column("price_version", Text),
    Column("score", Float(53)),
    PrimaryKeyConstraint("request_id", "number"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("feedback_id", RequestId, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("request_id", RequestId),
    Column("answer_id", Text),
    Column("metric", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("received_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text),
    Column("joined_request_id", RequestId),
    Column("writer_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index(None, "state", "received_us"),
    Index(None, "joined_request_id"),
    index_of_given("feedback", "idempotency_key"),
)
"""What applications said of answers. `kind`: boolean, number, comment or demonstration; `value` is JSON; `state`:
waiting, joined or refused, with the reason in `detail`. `joined_request_id` is the request that was found, also where
the feedback was refused all the same."""

labels = Table(
    "labels",
    metadata,
    Column("request_id", RequestId, nullable=False),
    Column("metric", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("value", Float(53), nullable=False),
    Column("propensity", Float(53), nullable=False),
    Column("is_weighed", Boolean, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("request_id", "metric", "source"),
    Index(None, "route", "model", "made_us"),
)
"""What one answer of an arm was found to be worth. `source`: feedback or audit; `value`: 0 or 1 for what is right or
wrong, else the number given; `propensity`: the chance that this request was labelled at all; `is_weighed`: whether the
chance did not depend on the answer, so that a bound may rest on it."""

calibrations = Table(
    "calibrations",
    metadata,
    Column("version", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("labels", Integer, nullable=False),
    Column("calibration", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("quality", Text, nullable=False),
    Column("retired_us", BigInteger),
    PrimaryKeyConstraint("route", "version"),
    Index(None, "route", "model", "created_us"),
)
"""How confidence was made, for ever: a record names the version that judged it. One of each route and model is not
retired: it is in force. `evidence` is what thresholds are computed from, `quality` is AUROC and ECE with intervals."""
