"""Labels of an experiment's units, which come late: joined when they are looked at, and summed up where they are.

A label counts for the arm and the step at which its unit entered. Feedback counts whoever answered in the end, as the
assignment does; an audit is of the arm's own answer and weighs one over the chance with which it was drawn.

Where some labels weigh far more than others, what is known is as little as from a few of equal weight: from
(sum w)^2 / sum w^2 of them (Kish, Survey Sampling, 1965).
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Float, Select, Subquery, and_, case, cast, func, select

from gateway.store.experiments import StoredExperiment
from gateway.store.feedback import FeedbackState
from gateway.store.labels import AUDIT_AGREEMENT, SUCCESS, LabelSource
from gateway.store.tables import experiment_units, feedback, labels, requests
from routing.experiment.contract import MetricName
from routing.experiment.sums import ArmSums
from routing.experiment.tally import Both, Stratum

_SUMS: Final = ("y", "d", "yy", "dd", "yd", "weight", "weight_squared", "mean", "square")


def label_strata(
    connection: Connection, experiment: StoredExperiment, metric: MetricName, *, matured_before_us: int | None
) -> dict[int, Stratum]:
    """What labels say of a label metric, by step.

    Args:
        connection: to the store.
        experiment: of which.
        metric: one of `LABEL_METRICS`.
        matured_before_us: count units that entered before it, with the labels of their horizon; `None`: all units,
            with those of their first request.
    """
    since_us = experiment.progress.started_us or 0
    said = _feedback(since_us) if metric is MetricName.FEEDBACK_SUCCESS else _audits(experiment.route, since_us)
    horizon_us = max(1, experiment.contract.horizon_us)  # 0 is the first request, which begins in this microsecond
    unit = experiment_units.c
    if matured_before_us is None:
        within = requests.c.started_us == unit.entered_us
    else:
        within = and_(
            unit.entered_us < matured_before_us,
            requests.c.started_us >= unit.entered_us,
            requests.c.started_us < unit.entered_us + horizon_us,
        )
    mine = and_(unit.experiment_id == experiment.id, unit.unit_hash == requests.c.unit_hash)
    of_units = (
        select(
            *(unit.step, unit.arm),
            func.sum(said.c.weighed).label("y"),
            func.sum(said.c.weight).label("d"),
            func.avg(said.c.weight).label("w"),
        )
        .select_from(said)
        .join(requests, requests.c.request_id == said.c.request_id)
        .join(experiment_units, mine)
        .where(requests.c.route == experiment.route, requests.c.is_forced.is_(False), requests.c.bucket.is_not(None))
        .where(within)
        .group_by(unit.step, unit.arm, unit.unit_hash)
        .subquery()
    )
    found = {(row.step, row.arm): _both(row) for row in connection.execute(_over_units(of_units))}
    return _by_step(found, experiment)


def _feedback(since_us: int) -> Subquery:
    """The latest word on each request."""
    order = feedback.c.received_us.desc(), feedback.c.feedback_id.desc()
    latest = (
        select(
            feedback.c.joined_request_id.label("request_id"),
            feedback.c.value,
            func.row_number().over(partition_by=feedback.c.joined_request_id, order_by=order).label("place"),
        )
        .where(feedback.c.state == FeedbackState.JOINED.value, feedback.c.metric == SUCCESS)
        .where(feedback.c.received_us >= since_us)
        .subquery()
    )
    value = case((latest.c.value == "true", 1.0), else_=0.0)
    one = cast(1.0, Float(53))
    return (
        select(latest.c.request_id, value.label("weighed"), one.label("weight")).where(latest.c.place == 1).subquery()
    )


def _audits(route: str, since_us: int) -> Subquery:
    weight = 1.0 / labels.c.propensity
    return (
        select(labels.c.request_id, (labels.c.value * weight).label("weighed"), weight.label("weight"))
        .where(labels.c.route == route, labels.c.made_us >= since_us)
        .where(labels.c.source == LabelSource.AUDIT.value, labels.c.metric == AUDIT_AGREEMENT)
        .subquery()
    )


def _over_units(of_units: Subquery) -> Select[Any]:
    y, d, w = of_units.c.y, of_units.c.d, of_units.c.w
    summed = (y, d, y * y, d * d, y * d, w, w * w, w * (y / d), w * (y / d) * (y / d))
    named = (func.sum(one).label(name) for one, name in zip(summed, _SUMS, strict=True))
    return select(of_units.c.step, of_units.c.arm, func.count().label("n"), *named).group_by(
        of_units.c.step, of_units.c.arm
    )


def _both(row: Any) -> Both:
    n = _worth(row.n, row.d, row.dd)
    # A unit counts once, however many labels it has, with the weight that one of them has on average.
    units = _worth(row.n, row.weight, row.weight_squared)
    mean = min(max(0.0, units * row.mean / row.weight), float(units))
    square = min(max(0.0, units * row.square / row.weight), mean)
    return Both(
        requests=ArmSums(n=n, y=row.y, d=row.d, yy=row.yy, dd=row.dd, yd=row.yd),
        units=ArmSums(n=units, y=mean, d=units, yy=square, dd=units, yd=mean),
    )


def _worth(n: int, weight: float, weight_squared: float) -> int:
    return max(1, min(n, round(weight * weight / weight_squared)))


def _by_step(found: Mapping[tuple[int, str], Both], experiment: StoredExperiment) -> dict[int, Stratum]:
    arms = experiment.contract.baseline, experiment.contract.candidate
    steps = sorted({step for step, _ in found})
    return {
        step: Stratum(baseline=found.get((step, arms[0]), Both()), arm=found.get((step, arms[1]), Both()))
        for step in steps
    }
