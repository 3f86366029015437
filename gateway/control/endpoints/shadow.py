"""How another model answers a route's requests beside its arms: `/admin/v1/routes/{route}/shadow`."""

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import FastAPI, Query, Response

from gateway.control.endpoints.wire import json_response
from gateway.control.parts import Parts
from gateway.control.views import Json, shadow_view
from gateway.errors import ApiError
from gateway.store.shadow_pairs import PairMetric, PairSums, ShadowSums, sum_shadows
from gateway.store.spend import spent
from routing.audit.sample import DAY_US, day_of
from routing.cost.prices import NANO
from routing.words import Purpose, RouteName

DAYS: Final = 7
MAX_DAYS: Final = 90
_SHOWN: Final = {
    PairMetric.LATENCY_US: ("latency_ms", 1e-3),
    PairMetric.COST_NANOUSD: ("cost_usd", 1 / NANO),
    PairMetric.OUTPUT_TOKENS: ("output_tokens", 1.0),
}
"""By which name and in which unit a difference is shown."""


def add(app: FastAPI, parts: Parts) -> None:
    """`/admin/v1/routes/{route}/shadow`."""

    @app.get("/admin/v1/routes/{route}/shadow")
    def get_shadow(route: RouteName, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DAYS) -> Response:
        newest = parts.newest()
        entry = newest.document.routes.get(route)
        if entry is None:
            known = ", ".join(sorted(newest.document.routes))
            raise ApiError(404, f"there is no route {route!r}; there are {known}", code="route_not_found")
        now_us = parts.clock()
        since_us = now_us - days * DAY_US
        with parts.store.reading() as connection:
            summed = sum_shadows(connection, route, since_us)
        body = {
            "route": route,
            "revision": newest.revision,
            "shadow": None if entry.shadow is None else shadow_view(entry.shadow),
            "spent_today_usd": spent(parts.store, route, Purpose.SHADOW, day_of(now_us)) / NANO,
            "since_us": since_us,
            "pairs": [_view(sums) for sums in summed],
        }
        return json_response(body)


def _view(sums: ShadowSums) -> Json:
    agreement = sums.metrics[PairMetric.AGREEMENT]
    return {
        "arm": sums.arm,
        "model": sums.model,
        "asked": sums.asked,
        "failed": sums.failed,
        "agreement": {"n": agreement.requests, **_mean(agreement, 1.0)},
        "differences": {name: _difference(sums.metrics[metric], scale) for metric, (name, scale) in _SHOWN.items()},
    }


def _difference(sums: PairSums, scale: float) -> Json:
    """The two means, and what the other model's is above the arm's."""
    means = (None, None) if not sums.weight else (sums.arm / sums.weight * scale, sums.other / sums.weight * scale)
    return {"n": sums.requests, "arm": means[0], "shadow": means[1], "difference": _mean(sums, scale)}


def _mean(sums: PairSums, scale: float) -> Json:
    from routing.experiment.paired import paired_mean  # which takes numpy along, for the few who ask
    from routing.experiment.sums import ArmSums

    found = asdict(
        paired_mean(
            ArmSums(
                n=sums.units,
                y=(sums.other - sums.arm) * scale,
                d=sums.weight,
                yy=sums.squares * scale**2,
                dd=sums.weight_squares,
                yd=sums.products * scale,
            )
        )
    )
    units = found.pop("units")
    return {**found, "units": units}
