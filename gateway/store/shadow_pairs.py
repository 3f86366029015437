"""Sums over requests that were also sent to another model: what either took, cost and said.

Nothing of the numbers is written twice: durations, tokens and costs are those of the two attempts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Float, RowMapping, Select, Subquery, case, cast, func, select

from gateway.store.retention import first_id_at
from gateway.store.tables import attempts, requests, shadows
from routing.words import ModelName, Result


class PairMetric(StrEnum):
    """What is compared of two answers."""

    LATENCY_US = "duration_us"
    COST_NANOUSD = "cost_nanousd"
    OUTPUT_TOKENS = "output_tokens"
    AGREEMENT = "agrees"
    """1 where the two agree, 0 where they do not: of that there is no difference, only a mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSums:
    """One metric, over the requests of which both sides are known. Each weighs one over its propensity."""

    requests: int
    units: int
    weight: float
    arm: float
    """Weighed sum of the arm's; of agreements 0."""
    other: float
    """That of the other model; of agreements that of the agreements."""
    squares: float
    """Over units, of the weighed sum of their differences (other minus arm)."""
    weight_squares: float
    products: float
    """Over units, of that sum and the unit's weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSums:
    """The shadows of one arm's requests, by one model."""

    arm: ModelName
    model: ModelName
    asked: int
    """Requests that the other model was asked to answer, or had answered as the fallback."""
    failed: int
    """Of these it did not answer."""
    metrics: Mapping[PairMetric, PairSums]


_ARM: Final = attempts.alias("arm_attempt")
_OTHER: Final = attempts.alias("other_attempt")
_ANSWERED: Final = (Result.COMPLETED.value, Result.DOUBTED.value, Result.INVALID.value)


def sum_shadows(connection: Connection, route: str, since_us: int) -> list[ShadowSums]:
    """What shadows brought of the requests begun since a moment, by arm and model.

    Takes time in proportion to the shadows of that time.
    """
    query = _over_units(_by_unit(route, first_id_at(since_us)))
    return [_sums(row) for row in connection.execute(query).mappings()]


def _by_unit(route: str, first_id: str) -> Subquery:
    """One row an arm, model and unit."""
    weight = 1.0 / shadows.c.propensity
    is_answered = _OTHER.c.result.in_(_ANSWERED)
    columns: list[ColumnElement[Any]] = [func.count().label("asked")]
    columns.append(func.sum(case((is_answered, 0), else_=1)).label("failed"))
    for metric in PairMetric:
        arm, other = _sides(metric)
        both = is_answered & (other - arm).is_not(None)
        columns += [
            func.sum(case((both, 1), else_=0)).label(f"{metric}_n"),
            func.sum(case((both, weight), else_=0.0)).label(f"{metric}_weight"),
            func.sum(case((both, weight * arm), else_=0.0)).label(f"{metric}_arm"),
            func.sum(case((both, weight * other), else_=0.0)).label(f"{metric}_other"),
        ]
    return (
        select(shadows.c.arm, shadows.c.model, requests.c.unit_hash, *columns)
        .join(requests, requests.c.request_id == shadows.c.request_id)
        .join(_ARM, (_ARM.c.request_id == shadows.c.request_id) & (_ARM.c.number == 1))
        .join(_OTHER, (_OTHER.c.request_id == shadows.c.request_id) & (_OTHER.c.number == shadows.c.number))
        .where(shadows.c.route == route, shadows.c.request_id >= first_id)
        .group_by(shadows.c.arm, shadows.c.model, requests.c.unit_hash)
        .subquery()
    )


def _sides(metric: PairMetric) -> tuple[ColumnElement[float], ColumnElement[float]]:
    if metric is PairMetric.AGREEMENT:
        agrees = case((shadows.c.agrees.is_(None), None), (shadows.c.agrees, 1.0), else_=0.0)
        return cast(0.0, Float), cast(agrees, Float)
    # As floats: squares of whole numbers would not fit where SQLite adds them up.
    return cast(_ARM.c[metric.value], Float), cast(_OTHER.c[metric.value], Float)


def _over_units(by_unit: Subquery) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [func.sum(by_unit.c[name]).label(name) for name in ("asked", "failed")]
    for metric in PairMetric:
        weight, arm, other = (by_unit.c[f"{metric}_{part}"] for part in ("weight", "arm", "other"))
        difference = other - arm
        columns += [
            func.sum(by_unit.c[f"{metric}_n"]).label(f"{metric}_requests"),
            func.sum(case((weight > 0, 1), else_=0)).label(f"{metric}_units"),
            func.sum(weight).label(f"{metric}_weight"),
            func.sum(arm).label(f"{metric}_arm"),
            func.sum(other).label(f"{metric}_other"),
            func.sum(difference * difference).label(f"{metric}_squares"),
            func.sum(weight * weight).label(f"{metric}_weight_squares"),
            func.sum(difference * weight).label(f"{metric}_products"),
        ]
    by = (by_unit.c.arm, by_unit.c.model)
    return select(*by, *columns).group_by(*by).order_by(*by)


def _sums(row: RowMapping) -> ShadowSums:
    fields = PairSums.__dataclass_fields__
    return ShadowSums(
        arm=ModelName(row["arm"]),
        model=ModelName(row["model"]),
        asked=int(row["asked"]),
        failed=int(row["failed"]),
        metrics={
            metric: PairSums(
                **{
                    name: int(row[f"{metric}_{name}"]) if name in ("requests", "units") else row[f"{metric}_{name}"]
                    for name in fields
                }
            )
            for metric in PairMetric
        },
    )
