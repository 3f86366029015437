"""Retraining: how far each reason is, what versions were worth at first, and what webhooks have to be told."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Column = sa.Column[Any]  # of whatever type


def upgrade() -> None:
    """Three tables."""
    op.create_table(
        "retraining",
        *(_text(name) for name in ("route", "reason")),
        sa.Column("version", sa.Text()),
        *(sa.Column(name, sa.BigInteger()) for name in ("seen_since_us", "away_since_us", "due_since_us")),
        sa.PrimaryKeyConstraint("route", "reason", name="pk_retraining"),
    )
    op.create_table(
        "retraining_baselines",
        *(_text(name) for name in ("route", "model")),
        _big("trained_us"),
        sa.Column("n", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Float(53), nullable=False) for name in ("accuracy", "error")),
        sa.PrimaryKeyConstraint("route", "model", name="pk_retraining_baselines"),
    )
    op.create_table(
        "deliveries",
        *(_text(name) for name in ("id", "route", "reason")),
        _big("due_since_us"),
        *(_text(name) for name in ("body", "state")),
        sa.Column("attempts", sa.Integer(), nullable=False),
        *(_big(name) for name in ("next_us", "made_us")),
        sa.Column("ended_us", sa.BigInteger()),
        sa.Column("status", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_state_next_us", "deliveries", ["state", "next_us"])


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)
