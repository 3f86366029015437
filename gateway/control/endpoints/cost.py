"""What a route costs and saves: `/admin/v1/routes/{route}/cost`."""

from typing import Annotated, Final

from fastapi import FastAPI, Query, Response

from gateway.control.cost_report import Bill, view
from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.errors import ApiError
from gateway.store import versions
from routing.cost.idle import HOUR_US
from routing.words import RouteName

DAYS: Final = 30
MAX_DAYS: Final = 3660


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/cost`."""

    @app.get("/admin/v1/routes/{route}/cost")
    def get_cost(route: RouteName, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DAYS) -> Response:
        newest = parts.newest()
        if route not in newest.document.routes:
            known = ", ".join(sorted(newest.document.routes))
            raise ApiError(404, f"there is no route {route!r}; there are {known}", code="route_not_found")
        now_us = parts.clock()
        until_us = now_us // HOUR_US * HOUR_US + HOUR_US  # with the hour that is under way
        since_us = until_us - days * 24 * HOUR_US
        registered = {version.model: version for version in versions.listing(parts.store)}
        with parts.store.reading() as connection:
            bill = Bill(connection, route, newest.document, (since_us, until_us))
        return json_response(
            {
                "route": route,
                "revision": newest.revision,
                "days": days,
                "since_us": since_us,
                "until_us": until_us,
                **view(bill, newest.document, registered, now_us),
            }
        )
