"""Where each version comes from, as its lineage file said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from gateway.clock import now_us
from gateway.store.codec import dump, load_any
from gateway.store.engine import Store
from gateway.store.tables import versions


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One version."""

    model: str
    lineage: dict[str, Any]
    """The whole file, as plain JSON."""
    dataset_sha256: str | None
    """`None` where the file does not say."""
    base_model: str | None
    """`None` where the file does not say."""
    registered_us: int
    """When this lineage was first seen."""


def record(store: Store, model: str, lineage: Mapping[str, Any], *, clock: Callable[[], int] = now_us) -> None:
    """Keep a version's lineage. Nothing changes where it is what is known already."""
    with store.writing() as connection:
        put(connection, model, lineage, clock())


def put(connection: Connection, model: str, lineage: Mapping[str, Any], at_us: int) -> bool:
    """As `record`, within a transaction; whether it says something new."""
    dataset = lineage.get("dataset")
    row = {
        "model": model,
        "lineage": dump(lineage),
        "dataset_sha256": _text(dataset.get("sha256") if isinstance(dataset, Mapping) else None),
        "base_model": _text(lineage.get("base_model")),
        "registered_us": at_us,
    }
    same_model = versions.c.model == model
    known = connection.execute(select(versions.c.lineage).where(same_model)).scalar()
    if known == row["lineage"]:
        return False
    connection.execute(delete(versions).where(same_model))
    connection.execute(insert(versions), row)
    return True


def listing(store: Store) -> list[VersionRecord]:
    """All versions, by model name."""
    with store.reading() as connection:
        rows = connection.execute(select(versions).order_by(versions.c.model)).mappings().all()
    return [VersionRecord(**{**row, "lineage": load_any(row["lineage"])}) for row in rows]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
