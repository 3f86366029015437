"""Which alarms of drift are on, as the loop that judges drift left them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.store import drift
from routing.drift.retraining import Moved, QualityKind, Worse
from routing.words import ModelName


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """The alarms of a route."""

    moved: Sequence[Moved] = ()
    parted: Sequence[Worse] = ()


def of_route(connection: Connection, route: str) -> Alarms:
    """Those that are on now."""
    moved: list[Moved] = []
    parted: list[Worse] = []
    for (_, model), state in drift.states(connection, route).items():
        moved += [
            Moved(
                model=ModelName(model),
                feature=alarm["feature"],
                family=alarm["family"],
                score=alarm["score"],
                since_us=alarm["since_us"],
            )
            for alarm in state["watch"]["alarms"]
        ]
        quality = state["quality"]
        if quality["parted_since_us"] is not None and quality["estimated"] and quality["audited"]:
            parted.append(
                Worse(
                    model=ModelName(model),
                    kind=QualityKind.PARTED,
                    audited=quality["audited"]["accuracy"],
                    expected=quality["estimated"]["accuracy"],
                    since_us=quality["parted_since_us"],
                )
            )
    return Alarms(moved=moved, parted=parted)
