"""What a route's drift is now: by arm, what moved, how far, since when, and what it is compared with."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.control.views import Json
from gateway.errors import ApiError
from gateway.snapshot.document import RouteEntry
from gateway.snapshot.drift_entry import DriftEntry
from gateway.store import drift
from gateway.store.drift import StoredReference, Window
from routing.drift.features import Side
from routing.drift.growing import Growing
from routing.words import ModelName, RouteName

MOST_WINDOWS = 12


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/drift`."""

    @app.get("/admin/v1/routes/{route}/drift")
    def get_drift(route: RouteName) -> Response:
        newest = parts.newest()
        entry = newest.document.routes.get(route)
        if entry is None:
            known = ", ".join(sorted(newest.document.routes))
            raise ApiError(404, f"there is no route {route!r}; there are {known}", code="route_not_found")
        with parts.store.reading() as connection:
            states = drift.states(connection, route)
            arms = [
                arm_view(
                    arm,
                    entry,
                    states.get((route, arm)),
                    drift.references_of(connection, route, arm),
                    drift.last_windows(connection, route, arm, MOST_WINDOWS),
                )
                for arm in entry.split
            ]
        body = {
            "route": route,
            "revision": newest.revision,
            "settings": settings_view(entry.drift),
            "alarm": any(arm["alarms"] for arm in arms),
            "arms": arms,
        }
        return json_response(body)


def settings_view(entry: DriftEntry) -> Json:
    """By the names that they have in the file."""
    return {
        "enabled": entry.is_enabled,
        "window_requests": entry.window_requests,
        "window_minutes": entry.window_minutes,
        "false_alarm_every_days": entry.false_alarm_every_days,
        "alpha": entry.alpha,
        "reference_requests": entry.reference_requests,
        "reference_hours": entry.reference_hours,
        "described_per_second": entry.described_per_second,
    }


def arm_view(
    arm: ModelName,
    entry: RouteEntry,
    state: Mapping[str, Any] | None,
    references: Mapping[Side, StoredReference],
    windows: Sequence[Window],
) -> Json:
    """One arm. What moved most comes first in `alarms`."""
    watch = None if state is None else state["watch"]
    quality = None if state is None else state["quality"]
    growing = {} if watch is None else {one["side"]: Growing.from_document(one) for one in watch["growing"]}
    alarms = [] if watch is None else [{**one, "rank": rank_of(one, windows)} for one in watch["alarms"]]
    return {
        "model": arm,
        "share": entry.split[arm] / 100,
        "references": {
            side.value: _reference(references.get(side), growing.get(side.value), entry.drift) for side in Side
        },
        "alarms": sorted(alarms, key=lambda one: (one["rank"], -one["score"], one["feature"])),
        "accuracy": quality,
        "open_window": None if watch is None else _open(watch),
        "windows": [_window(window) for window in windows],
    }


def rank_of(alarm: Mapping[str, Any], windows: Sequence[Window]) -> int:
    """Where the newest window has its feature; behind all of them where it does not call it moved."""
    findings = windows[0].body["findings"] if windows else []
    names = [found["name"] for found in findings if found["is_alarm"]]
    return names.index(alarm["feature"]) if alarm["feature"] in names else len(names)


def _reference(known: StoredReference | None, growing: Growing | None, entry: DriftEntry) -> Json:
    if known is not None:
        return {"source": known.source, "n": known.n, "made_us": known.made_us, "is_complete": True}
    return {
        "source": "traffic",
        "n": 0 if growing is None else growing.n,
        "wanted": entry.reference_requests,
        "since_us": None if growing is None else growing.since_us,
        "is_complete": False,
    }


def _open(watch: Mapping[str, Any]) -> Json | None:
    if watch["began_us"] is None:
        return None
    return {"began_us": watch["began_us"], "seen": watch["window"]["seen"]}


def _window(window: Window) -> Json:
    return {"began_us": window.began_us, "ended_us": window.ended_us, "seen": window.n, **window.body}
