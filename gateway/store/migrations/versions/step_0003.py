"""Experiments: what was promised, how far each came, and what was seen of each unit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Column = sa.Column[Any]  # of whatever type
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Only new tables."""
    _make_experiments()
    _make_part(
        "steps",
        ["ranges_revision"],
        _number("step"),
        _big("ranges_revision"),
        _big("started_us"),
        _number("share"),
    )
    _make_part("cursors", ["writer_id"], _text("writer_id"), _big("seq"))
    _make_part(
        "units",
        ["unit_hash"],
        _text("unit_hash"),
        _text("arm"),
        _number("step"),
        _big("entered_us"),
        sa.Column("is_moved", sa.Boolean(), nullable=False),
        _text("sums"),
    )
    _make_part("results", ["at_us"], _big("at_us"), _text("body"))


def _make_experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", RowId, nullable=False),
        *(_text(name) for name in ("route", "name", "contract", "state")),
        _number("step"),
        _big("step_since_us"),
        _big("started_us"),
        sa.Column("ended_us", sa.BigInteger()),
        _text("reason"),
        _text("salt"),
        _big("before_id"),
        _big("updated_us"),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
    )
    op.create_index("ix_experiments_route_name", "experiments", ["route", "name"], unique=True)


def _make_part(name: str, key: list[str], *columns: Column) -> None:
    table = f"experiment_{name}"
    op.create_table(
        table,
        _big("experiment_id"),
        *columns,
        sa.PrimaryKeyConstraint("experiment_id", *key, name=f"pk_{table}"),
    )


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> Column:
    return sa.Column(name, sa.Integer(), nullable=False)


def _big(name: str) -> Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)
