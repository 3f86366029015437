"""From what the store knows of one arm to a calibration that can be published."""

import logging
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.store import calibration_data as data
from gateway.store import calibrations
from gateway.store.calibrations import StoredCalibration
from gateway.store.engine import Store
from gateway.store.labels import Labelled, read_labelled
from routing.confidence.arming import MIN_FIT_LABELS
from routing.confidence.refit import MOST_LABELS, MOST_RECORDS, Source
from routing.cost.prices import NANO
from routing.words import ModelName, RouteName

log = logging.getLogger(__name__)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Out of what a calibration was made; kept with its quality."""

    source: Source
    records: int
    newest_label_us: int
    """When the newest label that was looked at for the fit was made; -1 without any."""
    fitted_us: int
    """A correction of the bound makes a new calibration of an old fit."""
    shift: float
    """Of the bound, when it was fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to calibrate."""

    route: RouteName
    model: ModelName
    large: ModelName
    """Who answers in its place."""
    records: int
    """How many answers with features there are, counted as far as it matters."""
    shift: float
    """Of the bound, until now."""
    hold_tokens: int | None = None
    """How much the route holds of a stream; `None` where it holds the whole of it."""


def origin_of(stored: StoredCalibration) -> Origin:
    """How a calibration was made. Of one that does not say so, the latest that can be."""
    known: Any = stored.quality.get("origin")
    if known is not None:
        return msgspec.convert(known, Origin)
    return Origin(
        source=Source.LABELS if stored.labels >= MIN_FIT_LABELS else Source.RECORDS,
        records=0,
        newest_label_us=stored.created_us,
        fitted_us=stored.created_us,
        shift=stored.evidence.alpha_shift,
    )


def fit(store: Store, task: Task, *, at_us: int, draws: int | None = None) -> StoredCalibration | None:
    """Fit what there is; `None` where that is not enough, or cannot be fitted.

    Args:
        store: where the labels are.
        task: the arm.
        at_us: now.
        draws: resamples behind each interval; `None` for as many as offline.
    """
    from routing.confidence.fit.online import Recorded, fit_online  # which takes scipy along

    with store.reading() as connection:
        known = _grades(connection, task)
        whole, prefix = data.recent_features(connection, task.route, task.model, limit=MOST_RECORDS)
        version = calibrations.next_version(connection, task.route, task.model)
        worth = data.fallback_worth(connection, task.route, task.large)
    # What does not get past a hard gate is decided on by no threshold, and no part of what confidence is about.
    grades = [grade for grade in known if not grade.is_gated]
    options = {} if draws is None else {"draws": draws}
    try:
        made = fit_online(
            grades, Recorded(whole=whole, prefix=prefix), version=version, hold_tokens=task.hold_tokens, **options
        )
    except (ValueError, ArithmeticError):
        log.exception("%s of route %s cannot be calibrated", task.model, task.route)
        return None
    if made is None:
        return None
    cost_usd = None if worth.cost_nanousd is None else worth.cost_nanousd / NANO
    origin = Origin(
        source=Source.LABELS if len(grades) >= MIN_FIT_LABELS else Source.RECORDS,
        records=task.records,
        newest_label_us=max((grade.made_us for grade in known), default=-1),
        fitted_us=at_us,
        shift=task.shift,
    )
    return StoredCalibration(
        version=version,
        route=task.route,
        model=task.model,
        created_us=at_us,
        labels=len(grades),
        calibration=made.calibration,
        evidence=replace(made.evidence, mu_large=worth.success, cost_large_usd=cost_usd, alpha_shift=task.shift),
        quality={**made.quality, "origin": msgspec.to_builtins(origin)},
    )


def _grades(connection: Connection, task: Task) -> list[Labelled]:
    """The newest labels, and the newest that a bound may rest on.

    Where the cascade acts, feedback is of sure answers alone and carries no bound. However much of it comes, it must
    not push out the rest.
    """
    grades = read_labelled(connection, task.route, task.model, limit=MOST_LABELS)
    more = read_labelled(connection, task.route, task.model, limit=MOST_LABELS, weighed_only=True)
    seen = {grade.request_id for grade in grades}
    return grades + [grade for grade in more if grade.request_id not in seen]
