"""The ledger: hourly lines of what was used and paid, pairs of answers, how far they reach, what each hour saved."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

Column = sa.Column[Any]  # of whatever type

_COUNTS = (
    *("requests", "attempts", "unpriced", "estimated"),
    *("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
    "cost_nanousd",
)
_SUMS = (
    *("weight", "arm", "large", "squares_weight", "squares_arm", "squares_large"),
    *("products", "by_weight_arm", "by_weight_large"),
    *("arm_input", "large_input", "arm_output", "large_output"),
)
# As in the tables that it refers to: ids are compared byte by byte.
_REQUEST_ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# Calls that were made beside requests before there were marks of them. They go with the batch of their request.
_MARK = (
    "INSERT INTO ledger_later (writer_id, seq, request_id, number) "
    "SELECT requests.writer_id, requests.seq, attempts.request_id, attempts.number "
    "FROM attempts JOIN requests ON requests.request_id = attempts.request_id "
    "WHERE attempts.purpose IN ('audit', 'shadow', 'judge')"
)


def upgrade() -> None:
    """Five tables, and marks of the calls that were made beside requests so far."""
    op.create_table(
        "ledger_lines",
        _big("hour_us"),
        *map(_text, ("route", "model", "purpose")),
        *map(_big, _COUNTS),
        sa.PrimaryKeyConstraint("hour_us", "route", "model", "purpose", name="pk_ledger_lines"),
    )
    op.create_index("ix_ledger_lines_route_hour_us", "ledger_lines", ["route", "hour_us"])
    op.create_table(
        "ledger_pairs",
        _big("hour_us"),
        *map(_text, ("route", "model")),
        _big("n"),
        *(sa.Column(name, sa.Float(53), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint("route", "model", "hour_us", name="pk_ledger_pairs"),
    )
    op.create_table(
        "ledger_cursors",
        _text("writer_id"),
        _big("seq"),
        sa.PrimaryKeyConstraint("writer_id", name="pk_ledger_cursors"),
    )
    op.create_table(
        "ledger_later",
        _text("writer_id"),
        _big("seq"),
        sa.Column("request_id", _REQUEST_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("writer_id", "seq", "request_id", "number", name="pk_ledger_later"),
    )
    op.create_table(
        "ledger_savings",
        _big("hour_us"),
        _text("route"),
        *map(_big, ("saved_nanousd", "lower_nanousd", "upper_nanousd")),
        sa.PrimaryKeyConstraint("hour_us", "route", name="pk_ledger_savings"),
    )
    op.execute(_MARK)


def _text(name: str) -> Column:
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)
