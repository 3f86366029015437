"""What a route's answers were found to be worth, and which feedback was refused."""

from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Query, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.control.views import Json
from gateway.errors import ApiError
from gateway.snapshot.document import RouteEntry
from gateway.store.feedback import refusals
from gateway.store.labels import ArmLabels, count_units, sum_labels
from routing.words import RouteName

DAYS = 7
MAX_DAYS = 90
REFUSALS = 20
_DAY_US = 86_400 * 1_000_000


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/labels`."""

    @app.get("/admin/v1/routes/{route}/labels")
    def get_labels(route: RouteName, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DAYS) -> Response:
        entry = _entry(route, parts)
        since_us = parts.clock() - days * _DAY_US
        with parts.store.reading() as connection:
            summed = {arm.arm: arm for arm in sum_labels(connection, route, since_us)}
            units = count_units(connection, route, parts.clock() - _DAY_US)
            refused = refusals(connection, route, REFUSALS)
        arms = [*entry.split, *(arm for arm in summed if arm not in entry.split)]
        return json_response(
            {
                "route": route,
                "since_us": since_us,
                "units_last_day": units,
                "arms": [_view(summed[arm]) for arm in arms if arm in summed],
                "refused": [asdict(refusal) for refusal in refused],
            }
        )


def _view(arm: ArmLabels) -> Json:
    return {
        "arm": arm.arm,
        "requests": arm.requests,
        "audit_agreement": {"mean": arm.agreement, "n": arm.agreement_n, "undefined": arm.undefined_n},
        "feedback_success": {"mean": arm.success, "n": arm.success_n, "coverage": arm.coverage},
    }


def _entry(route: RouteName, parts: Parts) -> RouteEntry:
    routes = parts.newest().document.routes
    entry = routes.get(route)
    if entry is None:
        raise ApiError(
            404, f"there is no route {route!r}; there are {', '.join(sorted(routes))}", code="route_not_found"
        )
    return entry
