"""Shadows, and spending by purpose: what audits have spent is carried over."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Column = sa.Column[Any]  # of whatever type
RequestId = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """A table with another primary key is a new one."""
    op.create_table(
        "spend",
        *(_text(name) for name in ("route", "purpose")),
        sa.Column("day", sa.Integer(), nullable=False),
        _text("writer_id"),
        _big("spent_nanousd"),
        sa.PrimaryKeyConstraint("route", "purpose", "day", "writer_id", name="pk_spend"),
    )
    op.execute("INSERT INTO spend SELECT route, 'audit', day, writer_id, spent_nanousd FROM audit_spend")
    op.drop_table("audit_spend")
    op.create_table(
        "shadows",
        sa.Column("request_id", RequestId, nullable=False),
        *(_text(name) for name in ("route", "arm", "model")),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("propensity", sa.Float(53), nullable=False),
        sa.Column("agrees", sa.Boolean()),
        _big("made_us"),
        sa.PrimaryKeyConstraint("request_id", name="pk_shadows"),
    )
    op.create_index("ix_shadows_route_request_id", "shadows", ["route", "request_id"])


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)
