"""Features as one column for a prefix and one for a whole, labels, calibrations, and what audits cost."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Column = sa.Column[Any]  # of whatever type
RequestId = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """What records say of features is carried over; the features that are new are null in them."""
    _change_requests()
    _make_feedback()
    _make_labels()
    _make_calibrations()
    op.create_table(
        "audit_spend",
        _text("route"),
        sa.Column("day", sa.Integer(), nullable=False),
        _text("writer_id"),
        _big("spent_nanousd"),
        sa.PrimaryKeyConstraint("route", "day", "writer_id", name="pk_audit_spend"),
    )


def _change_requests() -> None:
    new = [_maybe_text(name) for name in ("answer_id", "confidence_mode", "judged", "prefix_features")]
    new += [_maybe_text("whole_features"), _maybe_float("late_confidence"), _maybe_float("audit_propensity")]
    for column in new:
        op.add_column("requests", column)
    array = "json_array" if op.get_bind().dialect.name == "sqlite" else "json_build_array"
    for part in ("prefix", "whole"):
        known = [f"{part}_{name}" for name in ("tokens", "sum_logprob", "min_logprob", "first_logprob")]
        tokens, total, least, first = known
        # Fields: tokens, sum, min, 10 % and 20 % quantile, first, margin, two entropies, is_cut, is_valid. The
        # quantiles are not known; the least stands in for them.
        fields = f"{tokens}, {total}, {least}, {least}, {least}, {first}, NULL, NULL, NULL, NULL, NULL"
        op.execute(f"UPDATE requests SET {part}_features = {array}({fields}) WHERE {tokens} IS NOT NULL")
        for name in known:
            op.drop_column("requests", name)
    where = sa.text("answer_id IS NOT NULL")
    op.create_index("ix_requests_answer_id", "requests", ["answer_id"], sqlite_where=where, postgresql_where=where)


def _make_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("feedback_id", RequestId, nullable=False),
        *(_text(name) for name in ("tenant", "key_name")),
        sa.Column("request_id", RequestId),
        _maybe_text("answer_id"),
        *(_text(name) for name in ("metric", "kind", "value")),
        _maybe_text("idempotency_key"),
        _big("received_us"),
        _text("state"),
        _maybe_text("detail"),
        sa.Column("joined_request_id", RequestId),
        _text("writer_id"),
        _big("seq"),
        sa.PrimaryKeyConstraint("feedback_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_state_received_us", "feedback", ["state", "received_us"])
    op.create_index("ix_feedback_joined_request_id", "feedback", ["joined_request_id"])
    where = sa.text("idempotency_key IS NOT NULL")
    name = "ix_feedback_idempotency_key"
    op.create_index(name, "feedback", ["idempotency_key"], sqlite_where=where, postgresql_where=where)


def _make_labels() -> None:
    op.create_table(
        "labels",
        sa.Column("request_id", RequestId, nullable=False),
        *(_text(name) for name in ("metric", "source", "route", "model")),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("propensity", sa.Float(53), nullable=False),
        sa.Column("is_weighed", sa.Boolean(), nullable=False),
        _big("made_us"),
        sa.PrimaryKeyConstraint("request_id", "metric", "source", name="pk_labels"),
    )
    op.create_index("ix_labels_route_model_made_us", "labels", ["route", "model", "made_us"])


def _make_calibrations() -> None:
    op.create_table(
        "calibrations",
        *(_text(name) for name in ("version", "route", "model")),
        _big("created_us"),
        sa.Column("labels", sa.Integer(), nullable=False),
        *(_text(name) for name in ("calibration", "evidence", "quality")),
        sa.Column("retired_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("route", "version", name="pk_calibrations"),
    )
    op.create_index("ix_calibrations_route_model_created_us", "calibrations", ["route", "model", "created_us"])


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _maybe_text(name: str) -> Column:
    return sa.Column(name, sa.Text())


def _maybe_float(name: str) -> Column:
    return sa.Column(name, sa.Float(53))


def _big(name: str) -> Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)
