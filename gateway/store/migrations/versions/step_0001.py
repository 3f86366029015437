"""The first tables."""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Column = sa.Column[Any]  # of whatever type
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RequestId = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them, and the one row of `configuration` with the key under which this store hashes units."""
    _make_configuration()
    _make_changes()
    _make_processes()
    _make_registries()
    op.create_table(
        "requests",
        *_request_columns(),
        *_request_judgement(),
        *_request_times(),
        sa.PrimaryKeyConstraint("request_id", name="pk_requests"),
    )
    op.create_index("ix_requests_writer_id_seq", "requests", ["writer_id", "seq"])
    op.create_table(
        "attempts", *_attempt_columns(), sa.PrimaryKeyConstraint("request_id", "number", name="pk_attempts")
    )


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _text_or_null(name: str) -> Column:
    return sa.Column(name, sa.Text())


def _big(name: str) -> Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _big_or_null(name: str) -> Column:
    return sa.Column(name, sa.BigInteger())


def _real_or_null(name: str) -> Column:
    return sa.Column(name, sa.Float(53))


def _make_configuration() -> None:
    configuration = op.create_table(
        "configuration",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        _big("revision"),
        _text_or_null("file_digest"),
        _text_or_null("file_document"),
        _text("unit_secret"),
        sa.PrimaryKeyConstraint("id", name="pk_configuration"),
    )
    op.bulk_insert(configuration, [{"id": 1, "revision": 0, "unit_secret": secrets.token_hex(32)}])
    op.create_table(
        "snapshots",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        _big("created_us"),
        _text("document"),
        sa.PrimaryKeyConstraint("revision", name="pk_snapshots"),
    )


def _make_changes() -> None:
    op.create_table(
        "overlays",
        *map(_text, ("scope", "name", "field", "value", "who")),
        _text_or_null("reason"),
        _big("at_us"),
        sa.PrimaryKeyConstraint("scope", "name", "field", name="pk_overlays"),
    )
    op.create_table(
        "split_history",
        sa.Column("id", RowId, nullable=False),
        _text("route"),
        _big("revision"),
        *map(_text, ("split", "ranges", "salt")),
        sa.Column("previous_id", RowId),
        _text("made_by"),
        sa.PrimaryKeyConstraint("id", name="pk_split_history"),
        sa.ForeignKeyConstraint(["previous_id"], ["split_history.id"], name="fk_split_history_previous_id"),
    )
    op.create_index("ix_split_history_route_id", "split_history", ["route", "id"])
    op.create_table(
        "audit",
        sa.Column("id", RowId, nullable=False),
        _big("at_us"),
        *map(_text, ("who", "action")),
        *map(_text_or_null, ("route", "reason")),
        _text("detail"),
        _big_or_null("revision"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_route_id", "audit", ["route", "id"])


def _make_processes() -> None:
    op.create_table(
        "workers",
        *map(_text, ("writer_id", "host")),
        *map(_big, ("pid", "revision", "loaded_us", "heartbeat_us", "started_us")),
        sa.Column("ready", sa.Boolean(), nullable=False),
        _text("notices"),
        sa.PrimaryKeyConstraint("writer_id", name="pk_workers"),
    )
    op.create_table(
        "leases",
        *map(_text, ("name", "holder")),
        _big("until_us"),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "batches",
        _text("writer_id"),
        _big("seq"),
        sa.Column("requests", sa.Integer(), nullable=False),
        _big("written_us"),
        sa.PrimaryKeyConstraint("writer_id", "seq", name="pk_batches"),
    )


def _make_registries() -> None:
    op.create_table(
        "keys",
        *map(_text, ("name", "digest", "scopes", "tenant")),
        _big("created_us"),
        sa.PrimaryKeyConstraint("name", name="pk_keys"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    op.create_table(
        "versions",
        *map(_text, ("model", "lineage")),
        *map(_text_or_null, ("dataset_sha256", "base_model")),
        _big("registered_us"),
        sa.PrimaryKeyConstraint("model", name="pk_versions"),
    )


def _request_columns() -> list[Column]:
    return [
        sa.Column("request_id", RequestId, nullable=False),
        *map(_text, ("tenant", "route")),
        *map(_text_or_null, ("arm", "model", "key_name")),
        _text("endpoint"),
        sa.Column("is_stream", sa.Boolean(), nullable=False),
        *map(_text_or_null, ("unit_hash", "unit_place")),
        sa.Column("bucket", sa.Integer()),
        _big("revision"),
        _big_or_null("ranges_revision"),
        _real_or_null("propensity"),
        sa.Column("is_forced", sa.Boolean(), nullable=False),
        _text("outcome"),
        _text_or_null("reason"),
        sa.Column("status", sa.Integer()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _text_or_null("finish_reason"),
    ]


def _request_judgement() -> list[Column]:
    features: list[Column] = []
    for extent in ("prefix", "whole"):
        features.append(sa.Column(f"{extent}_tokens", sa.Integer()))
        features.extend(_real_or_null(f"{extent}_{name}_logprob") for name in ("sum", "min", "first"))
    return [
        _text_or_null("score_name"),
        *map(_real_or_null, ("score", "confidence")),
        _text_or_null("calibration"),
        _real_or_null("threshold"),
        *features,
    ]


def _request_times() -> list[Column]:
    return [
        *map(_big, ("started_us", "duration_us")),
        *map(_big_or_null, ("first_token_us", "overhead_us", "cost_nanousd")),
        _text("writer_id"),
        _big("seq"),
    ]


def _attempt_columns() -> list[Column]:
    return [
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *map(_text, ("model", "purpose", "result")),
        _text_or_null("reason"),
        sa.Column("upstream_status", sa.Integer()),
        *map(_big, ("started_us", "duration_us")),
        _big_or_null("first_token_us"),
        *map(
            _big_or_null,
            ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
        ),
        sa.Column("usage_estimated", sa.Boolean(), nullable=False),
        _big_or_null("cost_nanousd"),
        _text_or_null("price_version"),
        _real_or_null("score"),
    ]
