"""What was seen of an experiment over time, as far as it was kept: for plots."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.control.views import Json
from gateway.errors import ApiError
from gateway.store import experiment_results, experiments
from routing.words import RouteName

MOST_LOOKS = 200


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/experiment/looks`."""

    @app.get("/admin/v1/routes/{route}/experiment/looks")
    def get_looks(route: RouteName, name: str) -> Response:
        if "\0" in name + route:  # no experiment is called that, and PostgreSQL does not even look for it
            raise _unknown(route, name)
        with parts.store.reading() as connection:
            found = experiments.one(connection, route, name)
            if found is None:
                raise _unknown(route, name)
            looks = [_look(at_us, body) for at_us, body in experiment_results.results(connection, found.id)]
        return json_response({"route": route, "name": name, "looks": thinned(looks)})


def thinned(looks: Sequence[Json]) -> list[Json]:
    """At most so many, evenly spread; the last one stays."""
    every = -(-len(looks) // MOST_LOOKS) or 1
    return list(looks[::-1][::every][::-1])


def _look(at_us: int, body: dict[str, Any]) -> Json:
    metric = body["primary"]
    effect = body["effects"].get(metric, {})
    units = [sum(step["matured"].values()) for step in body["units"]["steps"]]
    return {
        "at_us": at_us,
        "step": body["step"],
        "metric": metric,
        **{part: effect.get(part) for part in ("effect", "lower", "upper")},
        "units": sum(units),
        "srm_pvalue": body["sample_ratio"]["p_value"],
        "ruling": body["ruling"],
    }


def _unknown(route: str, name: str) -> ApiError:
    return ApiError(404, f"route {route!r} has started no experiment {name!r}", param="name", code="no_experiment")
