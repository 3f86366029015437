"""What the tables have in common: how their constraints are named, and kinds of column."""

from sqlalchemy import BigInteger, Index, Integer, MetaData, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows by itself only in a column that is exactly INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

# Request ids are compared by byte, so that their order is that of time in any database.
RequestId = Text().with_variant(Text(collation="C"), "postgresql")


def index_of_given(table: str, column: str) -> Index:
    """An index that leaves out the rows without a value, which are nearly all."""
    given = text(f"{column} IS NOT NULL")
    return Index(f"ix_{table}_{column}", column, sqlite_where=given, postgresql_where=given)
