"""How confidence was made: every calibration there was, one of each route and model in force.

A record names the version that judged it, so scorers are kept for ever. The evidence, which is a hundred times larger
and from which only the thresholds of today are computed, goes when another takes its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, update

from gateway.store.codec import dump, load, load_any
from gateway.store.tables import calibrations
from routing.confidence.evidence import Evidence
from routing.confidence.scorer import Calibration
from routing.words import ModelName, RouteName


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCalibration:
    """A calibration of one model on one route, and what its thresholds are computed from."""

    version: str
    """Unique within the route; see `next_version`."""
    route: RouteName
    model: ModelName
    created_us: int
    labels: int
    """How many labels there were, of the fit and of the thresholds together; 0 for one that needs none."""
    calibration: Calibration
    evidence: Evidence
    quality: Mapping[str, Any] = field(default_factory=dict)
    """What it was found to be worth, for people: plain JSON such as AUROC and ECE with their intervals."""
    retired_us: int | None = None
    """When another took its place; `None` while it is in force."""

    def __post_init__(self) -> None:
        """Raises `ValueError` where the calibration has another version."""
        if self.version != self.calibration.version:
            raise ValueError(f"calibration {self.calibration.version!r} cannot be kept as {self.version!r}")


class QualityRecord(NamedTuple):
    """What a calibration is worth, for people."""

    version: str
    created_us: int
    quality: Mapping[str, Any]


def add(connection: Connection, stored: StoredCalibration) -> None:
    """Put a calibration in force; the one that was in force for its route and model is retired in that moment.

    Of that one nothing is left to compute thresholds from.
    """
    of_same = (calibrations.c.route == stored.route) & (calibrations.c.model == stored.model)
    in_force = calibrations.c.retired_us.is_(None)
    retired = {"retired_us": stored.created_us, "evidence": dump(Evidence())}
    connection.execute(update(calibrations).where(of_same, in_force).values(retired))
    row = {
        "version": stored.version,
        "route": stored.route,
        "model": stored.model,
        "created_us": stored.created_us,
        "labels": stored.labels,
        "calibration": dump(stored.calibration),
        "evidence": dump(stored.evidence),
        "quality": dump(stored.quality),
        "retired_us": stored.retired_us,
    }
    connection.execute(insert(calibrations), row)


def in_force(connection: Connection) -> list[StoredCalibration]:
    """Those that count, by route and model."""
    query = select(calibrations).where(calibrations.c.retired_us.is_(None))
    return _read(connection, query.order_by(calibrations.c.route, calibrations.c.model))


def qualities(connection: Connection) -> dict[tuple[str, str], QualityRecord]:
    """What those that count are worth, by route and model, without all that they rest on."""
    columns = [calibrations.c[name] for name in ("route", "model", "version", "created_us", "quality")]
    rows = connection.execute(select(*columns).where(calibrations.c.retired_us.is_(None)))
    return {(row.route, row.model): QualityRecord(row.version, row.created_us, load_any(row.quality)) for row in rows}


def one(connection: Connection, route: str, version: str) -> StoredCalibration | None:
    """The calibration of this name, in force or not; `None` where there never was one."""
    query = select(calibrations).where(calibrations.c.route == route, calibrations.c.version == version)
    return next(iter(_read(connection, query)), None)


def history(
    connection: Connection, route: str, *, model: str | None = None, limit: int = 100
) -> list[StoredCalibration]:
    """Those that a route has had, of all its models or of one, newest first."""
    query = select(calibrations).where(calibrations.c.route == route)
    if model is not None:
        query = query.where(calibrations.c.model == model)
    order = calibrations.c.created_us.desc(), calibrations.c.version.desc()
    return _read(connection, query.order_by(*order).limit(limit))


def next_version(connection: Connection, route: str, model: str) -> str:
    """What the next calibration of a model on a route is called: its name and a number, such as `support-v2.3`."""
    of_same = (calibrations.c.route == route) & (calibrations.c.model == model)
    count = connection.execute(select(func.count()).select_from(calibrations).where(of_same)).scalar() or 0
    return f"{model}.{count + 1}"


def _read(connection: Connection, query: Select[Any]) -> list[StoredCalibration]:
    return [_stored(row) for row in connection.execute(query).mappings()]


def _stored(row: RowMapping) -> StoredCalibration:
    return StoredCalibration(
        version=row["version"],
        route=row["route"],
        model=row["model"],
        created_us=row["created_us"],
        labels=row["labels"],
        calibration=load(row["calibration"], Calibration),
        evidence=load(row["evidence"], Evidence),
        quality=load_any(row["quality"]),
        retired_us=row["retired_us"],
    )
