"""Which alarms of drift are on, as the loop that judges drift left them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from routing.drift.retraining import Moved, Worse


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """The alarms of a route."""

    moved: Sequence[Moved] = ()
    parted: Sequence[Worse] = ()


def of_route(connection: Connection, route: str) -> Alarms:
    """Those that are on now."""
    return Alarms()
