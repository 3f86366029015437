"""How a route's arms are calibrated: what is acted on and why, what that is worth, and what came before."""

from typing import Final

from fastapi import FastAPI, Response
from sqlalchemy import Connection

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.control.views import Json, confidence_view
from gateway.errors import ApiError
from gateway.snapshot.document import FallbackEntry, JudgeEntry, RouteEntry
from gateway.store import calibrations
from gateway.store.calibration_data import count_labels_after, late_counts
from gateway.store.calibrations import StoredCalibration
from routing.confidence.arming import tightened
from routing.confidence.features import FEATURE_NAMES
from routing.confidence.gate import ConfidenceMode
from routing.confidence.refit import MOST_LABELS
from routing.confidence.scorer import Calibration, Scorer, ScorerKind
from routing.words import ModelName, RouteName

HISTORY: Final = 20


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/calibration`."""

    @app.get("/admin/v1/routes/{route}/calibration")
    def get_calibration(route: RouteName) -> Response:
        newest = parts.newest()
        fallback, entry = _fallback(route, newest.document.routes)
        with parts.store.reading() as connection:
            arms = [_arm(connection, route, arm, fallback, entry.judges.get(arm, JudgeEntry())) for arm in entry.split]
        target = confidence_view(fallback.confidence)
        return json_response({"route": route, "revision": newest.revision, "target": target, "arms": arms})


def _fallback(route: RouteName, routes: dict[RouteName, RouteEntry]) -> tuple[FallbackEntry, RouteEntry]:
    entry = routes.get(route)
    if entry is None:
        known = ", ".join(sorted(routes))
        raise ApiError(404, f"there is no route {route!r}; there are {known}", code="route_not_found")
    if entry.fallback is None:
        raise ApiError(404, f"route {route!r} has no fallback, so nothing is calibrated", code="no_fallback")
    return entry.fallback, entry


def _arm(connection: Connection, route: RouteName, arm: ModelName, fallback: FallbackEntry, judge: JudgeEntry) -> Json:
    history = calibrations.history(connection, route, model=arm, limit=HISTORY)
    calibration = judge.calibration
    own = next((one for one in history if calibration is not None and one.version == calibration.version), None)
    return {
        "arm": arm,
        "armed": judge.is_armed,
        "reason": judge.reason,
        "thresholds": {"whole": judge.whole_threshold, "prefix": judge.prefix_threshold},
        "alpha": _alpha(fallback, own),
        "labels": count_labels_after(connection, route, arm, -1, at_most=MOST_LABELS),
        "calibration": None if calibration is None else _made(calibration, own),
        "late": _late(connection, route, arm, judge),
        "history": [_past(one) for one in history],
    }


def _alpha(fallback: FallbackEntry, stored: StoredCalibration | None) -> float | None:
    """The bound that is aimed for, which audits may have tightened."""
    asked = fallback.confidence.alpha
    if asked is None or stored is None or fallback.confidence.mode is not ConfidenceMode.RISK:
        return asked
    return tightened(asked, stored.evidence.alpha_shift)


def _made(calibration: Calibration, stored: StoredCalibration | None) -> Json:
    return {
        "version": calibration.version,
        "created_us": None if stored is None else stored.created_us,
        "labels": 0 if stored is None else stored.labels,
        "fit_labels": calibration.labels,
        "quality": {} if stored is None else {name: stored.quality.get(name) for name in ("whole", "prefix")},
        "whole": _scorer(calibration.whole),
        "prefix": None if calibration.prefix is None else _scorer(calibration.prefix),
    }


def _scorer(scorer: Scorer) -> Json:
    if scorer.kind is not ScorerKind.LOGISTIC:
        return {"kind": scorer.kind}
    coefficients = dict(zip(FEATURE_NAMES, scorer.coefficients, strict=True))
    means = dict(zip(FEATURE_NAMES, scorer.means, strict=True))
    return {"kind": scorer.kind, "intercept": scorer.intercept, "coefficients": coefficients, "means": means}


def _late(connection: Connection, route: RouteName, arm: ModelName, judge: JudgeEntry) -> Json | None:
    """Streams that were let out by their start, and what was found at their end."""
    if judge.calibration is None or judge.whole_threshold is None:
        return None
    found = late_counts(connection, route, arm, judge.calibration.version, judge.whole_threshold)
    return {"n": found.n, "late_low_confidence": found.low}


def _past(stored: StoredCalibration) -> Json:
    whole = stored.quality.get("whole") or {}
    return {
        "version": stored.version,
        "kind": stored.calibration.whole.kind,
        "created_us": stored.created_us,
        "retired_us": stored.retired_us,
        "labels": stored.labels,
        "auroc": whole.get("auroc"),
        "ece": whole.get("ece"),
    }
