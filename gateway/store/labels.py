"""What answers were found to be worth: labels, with what was recorded of their requests, and sums over them.

    audit_agreement     of audits: whether the large model said the same
    success             of feedback: whether the application found the answer good

Neither is accuracy, and they are never added up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, exists, func, or_, select, text

from gateway.records.rows import LabelRow
from gateway.store.codec import load_any
from gateway.store.retention import first_id_at
from gateway.store.tables import labels, requests
from routing.confidence.features import Features, from_row
from routing.words import Outcome, Reason

AUDIT_AGREEMENT: Final = "audit_agreement"
SUCCESS: Final = "success"


class LabelSource(StrEnum):
    """Who says so."""

    AUDIT = "audit"
    FEEDBACK = "feedback"


METRIC_OF: Final[Mapping[LabelSource, str]] = {
    LabelSource.AUDIT: AUDIT_AGREEMENT,
    LabelSource.FEEDBACK: SUCCESS,
}
"""The metric of each source that says whether an answer is right."""

PREFERRED: Final = (LabelSource.AUDIT, LabelSource.FEEDBACK)
"""Which source counts where a request has labels of several: the first one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """An answer of an arm, with what it was found to be worth."""

    request_id: str
    source: LabelSource
    value: float
    """0 or 1."""
    propensity: float
    is_weighed: bool
    made_us: int
    prefix: Features | None
    whole: Features | None
    confidence_mode: str | None
    """The mode in which the gateway judged the answer; `None` where it judged nothing."""
    judged: str | None
    """`whole` or `prefix`: what the gateway decided on; `None` where it judged nothing."""
    confidence: float | None
    threshold: float | None
    is_gated: bool
    """It did not pass a hard gate, so that another model answered whatever its confidence."""
    started_us: int
    """Of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLabels:
    """What is known of the answers of one arm to the requests of some time."""

    arm: str
    requests: int
    """Assigned to it, without those that a tester forced."""
    agreement: float | None
    """Of audits, each weighed by one over its propensity; `None` without any."""
    agreement_n: int
    undefined_n: int
    """Audits of requests that another model answered, which are left out of the agreement."""
    success: float | None
    success_n: int

    @property
    def coverage(self) -> float | None:
        """The share of requests that feedback says something of."""
        return self.success_n / self.requests if self.requests else None


_IS_GATED: Final = (
    (requests.c.outcome == Outcome.FALLBACK.value) & (func.coalesce(requests.c.reason, "") == Reason.INVALID.value)
).label("is_gated")
_COLUMNS: Final = tuple(column.name for column in labels.columns)
_CHANGING: Final = ("route", "model", "value", "propensity", "is_weighed", "made_us")
_ADD = text(
    f"INSERT INTO labels ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    f"ON CONFLICT (request_id, metric, source) "
    f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _CHANGING)} "
    f"WHERE labels.made_us <= excluded.made_us"
)


def add_labels(connection: Connection, rows: Iterable[LabelRow]) -> None:
    """Write labels. Of several for one request, metric and source the latest counts, in whatever order they come."""
    values = [{**row._asdict(), "source": str(row.source)} for row in rows]
    if values:
        connection.execute(_ADD, values)


def read_labelled(
    connection: Connection,
    route: str,
    model: str,
    *,
    limit: int,
    sources: Sequence[LabelSource] = PREFERRED,
    weighed_only: bool = False,
) -> list[Labelled]:
    """The labels that say whether answers of an arm are right, newest first, one a request.

    Args:
        connection: to the store.
        route: the route.
        model: the arm whose answers they are of.
        limit: how many at most.
        sources: whose labels count, the preferred first.
        weighed_only: leave out those whose being there depended on the answer.
    """
    columns = [labels.c[name] for name in ("source", "value", "propensity", "is_weighed", "made_us", "request_id")]
    recorded = (
        "confidence_mode",
        "judged",
        "confidence",
        "threshold",
        "prefix_features",
        "whole_features",
        "started_us",
    )
    more = [requests.c[name] for name in recorded]
    query = (
        _usable(select(*columns, *more, _IS_GATED), route, model, sources, weighed_only=weighed_only)
        .join(requests, requests.c.request_id == labels.c.request_id)
        .order_by(labels.c.made_us.desc(), labels.c.request_id.desc())
        .limit(limit)
    )
    return [_labelled(row) for row in connection.execute(query).mappings()]


def count_labels(
    connection: Connection,
    route: str,
    model: str,
    *,
    sources: Sequence[LabelSource] = PREFERRED,
    weighed_only: bool = False,
) -> int:
    """How many `read_labelled` would return without a limit."""
    query = _usable(select(func.count()), route, model, sources, weighed_only=weighed_only)
    return connection.execute(query).scalar() or 0


def newest_label_us(
    connection: Connection, route: str, model: str, *, sources: Sequence[LabelSource] = PREFERRED
) -> int | None:
    """When the newest of them was made; `None` without any. Older ones may still join: compare the count too."""
    query = _usable(select(func.max(labels.c.made_us)), route, model, sources, weighed_only=False)
    newest: int | None = connection.execute(query).scalar()
    return newest


def coverage(connection: Connection, route: str, since_us: int) -> dict[str, float]:
    """By arm, the share of the requests begun since a moment of which feedback says whether they were a success."""
    return {
        summed.arm: summed.coverage for summed in sum_labels(connection, route, since_us) if summed.coverage is not None
    }


def sum_labels(connection: Connection, route: str, since_us: int) -> list[ArmLabels]:
    """What is known of each arm's answers to the requests begun since a moment, by name of the arm.

    Takes time in proportion to the requests of that time.
    """
    first_id = first_id_at(since_us)
    query = (
        select(requests.c.arm, func.count())
        .where(requests.c.request_id >= first_id, requests.c.route == route, requests.c.arm.is_not(None))
        .where(requests.c.is_forced.is_(False))
        .group_by(requests.c.arm)
    )
    assigned = {arm: count for arm, count in connection.execute(query)}
    found = {(row.model, row.source, row.is_own): row for row in connection.execute(_sums(route, first_id))}
    arms = sorted(assigned.keys() | {arm for arm, _, _ in found})
    return [_arm_labels(arm, assigned.get(arm, 0), found) for arm in arms]


def count_units(connection: Connection, route: str, since_us: int) -> int:
    """How many units have sent the requests begun since a moment, by their keyed hash.

    Takes time in proportion to the requests of that time.
    """
    query = (
        select(func.count(requests.c.unit_hash.distinct()))
        .where(requests.c.request_id >= first_id_at(since_us), requests.c.route == route)
        .where(requests.c.arm.is_not(None), requests.c.is_forced.is_(False))
    )
    return int(connection.execute(query).scalar_one())


def _usable(
    query: Select[Any], route: str, model: str, sources: Sequence[LabelSource], *, weighed_only: bool
) -> Select[Any]:
    """Restrict a query to labels of an arm, one a request."""
    counted = or_(*(_counts(source, sources[:at]) for at, source in enumerate(sources)))
    query = query.select_from(labels).where(labels.c.route == route, labels.c.model == model, counted)
    return query.where(labels.c.is_weighed) if weighed_only else query


def _counts(source: LabelSource, preferred: Sequence[LabelSource]) -> ColumnElement[bool]:
    """That a label is of a source, and its request has none of those that are preferred to it."""
    is_of_source = _is_of(labels, source)
    if not preferred:
        return is_of_source
    other = labels.alias()
    same = (other.c.request_id == labels.c.request_id) & (other.c.model == labels.c.model)
    better = exists().where(same, or_(*(_is_of(other, one) for one in preferred)))
    return is_of_source & ~better.correlate(labels)


def _is_of(table: Any, source: LabelSource) -> ColumnElement[bool]:
    both: ColumnElement[bool] = (table.c.source == source.value) & (table.c.metric == METRIC_OF[source])
    return both


def _sums(route: str, first_id: str) -> Select[Any]:
    weight = 1.0 / labels.c.propensity
    is_own = requests.c.model == labels.c.model
    return (
        select(
            labels.c.model,
            labels.c.source,
            is_own.label("is_own"),
            func.count().label("n"),
            func.sum(labels.c.value * weight).label("right"),
            func.sum(weight).label("weight"),
        )
        .join(requests, requests.c.request_id == labels.c.request_id)
        .where(labels.c.route == route, labels.c.request_id >= first_id, requests.c.is_forced.is_(False))
        .where(or_(*(_is_of(labels, source) for source in LabelSource)))
        .group_by(labels.c.model, labels.c.source, is_own)
    )


def _arm_labels(arm: str, assigned: int, found: Mapping[tuple[str, str, bool | None], Any]) -> ArmLabels:
    agreed = found.get((arm, LabelSource.AUDIT, True))
    others = [found.get((arm, LabelSource.AUDIT, is_own)) for is_own in (False, None)]
    said = found.get((arm, LabelSource.FEEDBACK, True))
    return ArmLabels(
        arm=arm,
        requests=assigned,
        agreement=None if agreed is None else agreed.right / agreed.weight,
        agreement_n=0 if agreed is None else agreed.n,
        undefined_n=sum(row.n for row in others if row is not None),
        success=None if said is None else said.right / said.weight,
        success_n=0 if said is None else said.n,
    )


def _labelled(row: RowMapping) -> Labelled:
    values: dict[str, Any] = {**row}
    values["source"], values["is_gated"] = LabelSource(values["source"]), bool(values["is_gated"])
    for part in ("prefix", "whole"):
        values[part] = features_of(values.pop(f"{part}_features"))
    return Labelled(**values)


def features_of(column: str | None) -> Features | None:
    """Features as a record keeps them."""
    return None if column is None else from_row(load_any(column))
