"""Drift: slices of what requests are like, references, windows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Column = sa.Column[Any]  # of whatever type


def upgrade() -> None:
    """Five tables, all new."""
    op.create_table(
        "drift_slices",
        _text("writer_id"),
        _big("seq"),
        *map(_text, ("route", "model")),
        *map(_big, ("began_us", "ended_us")),
        _body(),
        sa.PrimaryKeyConstraint("writer_id", "seq", "route", "model", name="pk_drift_slices"),
    )
    op.create_table(
        "drift_cursors",
        _text("writer_id"),
        *map(_big, ("seq", "moved_us")),
        sa.PrimaryKeyConstraint("writer_id", name="pk_drift_cursors"),
    )
    op.create_table(
        "drift_references",
        *map(_text, ("route", "model", "side", "source")),
        _big("made_us"),
        sa.Column("n", sa.Integer(), nullable=False),
        _body(),
        sa.PrimaryKeyConstraint("route", "model", "side", name="pk_drift_references"),
    )
    op.create_table(
        "drift_windows",
        *map(_text, ("route", "model")),
        *map(_big, ("began_us", "ended_us")),
        sa.Column("n", sa.Integer(), nullable=False),
        _body(),
        sa.PrimaryKeyConstraint("route", "model", "began_us", name="pk_drift_windows"),
    )
    op.create_index("ix_drift_windows_ended_us", "drift_windows", ["ended_us"])
    op.create_table(
        "drift_state",
        *map(_text, ("route", "model")),
        _big("updated_us"),
        _body(),
        sa.PrimaryKeyConstraint("route", "model", name="pk_drift_state"),
    )


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _body() -> Column:
    return sa.Column("body", sa.LargeBinary(), nullable=False)
