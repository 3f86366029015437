"""All experiments at once, with which of their differences hold among so many."""

from math import inf, log
from typing import Any, Final

from fastapi import FastAPI, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.control.views import Json
from gateway.store import experiments
from gateway.store.experiments import StoredExperiment
from routing.experiment.multiplicity import e_bh

FALSE_SHARE: Final = 0.05
"""Of the differences that are said to hold, at most so many are none, on average."""


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/experiments`."""

    @app.get("/admin/v1/experiments")
    def get_experiments() -> Response:
        with parts.store.reading() as connection:
            stored = experiments.listing(connection)
            newest = [experiments.newest_result(connection, one.id) for one in stored]
        bodies: list[Any] = [None if found is None else found[1] for found in newest]
        seen = [_primary(body) for body in bodies]
        holds = e_bh([_log_e(primary) for primary in seen], FALSE_SHARE)
        lines = [_line(*one) for one in zip(stored, bodies, seen, holds, strict=True)]
        return json_response({"false_share": FALSE_SHARE, "experiments": lines})


def _primary(body: Any) -> Json:
    """What was seen of the primary metric; empty where it is not known."""
    return {} if body is None else body["effects"].get(body["primary"], {})


def _log_e(primary: Json) -> float:
    # At each look a p-value is 1 over the evidence, or 1 where that is less: too little to make a difference here.
    p_value = primary.get("p_value", 1.0)
    return -log(p_value) if p_value > 0 else inf


def _line(one: StoredExperiment, body: Any, primary: Json, holds: bool) -> Json:  # noqa: FBT001
    return {
        "route": one.route,
        "name": one.contract.name,
        "state": one.progress.state,
        "reason": one.progress.reason,
        "started_us": one.progress.started_us,
        "ended_us": one.ended_us,
        "metric": one.contract.primary.metric,
        **{part: primary.get(part) for part in ("effect", "lower", "upper", "p_value")},
        "ruling": None if body is None else body["ruling"],
        "holds_among_all": holds,
    }
