"""The tables, as SQLAlchemy Core sees them. Times are UTC microseconds, money is nano-dollars, JSON is kept as text."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows by itself only in a column that is exactly INTEGER.
_RowId = BigInteger().with_variant(Integer, "sqlite")

# Request ids are compared by byte, so that their order is that of time in any database.
_RequestId = Text().with_variant(Text(collation="C"), "postgresql")

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
    Column("id", _RowId, primary_key=True),
    Column("route", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("split", Text, nullable=False),
    Column("ranges", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("previous_id", _RowId, ForeignKey("split_history.id")),
    Column("made_by", Text, nullable=False),
    Index(None, "route", "id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _RowId, primary_key=True),
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
    Column("request_id", _RequestId, primary_key=True),
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
    Column("score_name", Text),
    Column("score", Float(53)),
    Column("confidence", Float(53)),
    Column("calibration", Text),
    Column("threshold", Float(53)),
    Column("prefix_tokens", Integer),
    Column("prefix_sum_logprob", Float(53)),
    Column("prefix_min_logprob", Float(53)),
    Column("prefix_first_logprob", Float(53)),
    Column("whole_tokens", Integer),
    Column("whole_sum_logprob", Float(53)),
    Column("whole_min_logprob", Float(53)),
    Column("whole_first_logprob", Float(53)),
    Column("started_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("first_token_us", BigInteger),
    Column("overhead_us", BigInteger),
    Column("cost_nanousd", BigInteger),
    Column("writer_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Index(None, "writer_id", "seq"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", _RequestId, nullable=False),
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
