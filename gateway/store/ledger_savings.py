"""What each hour of each route saved, written once; the sum over hours is what a counter shows, as far as it rose."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from gateway.store.ledger_tables import ledger_lines, ledger_savings
from routing.cost.savings import Estimate

_PUT = text(
    "INSERT INTO ledger_savings (hour_us, route, saved_nanousd, lower_nanousd, upper_nanousd) "
    "VALUES (:hour_us, :route, :saved, :lower, :upper) ON CONFLICT (hour_us, route) DO NOTHING"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a route is, in nano-dollars."""

    total: int
    """Over all hours, which may be a loss."""
    peak: int
    """The most that it ever was, 0 or more: what the counter has shown."""


def put(connection: Connection, hour_us: int, route: str, saved: Estimate) -> bool:
    """Write what an hour saved, unless that was done before; whether it was done now."""
    values = {"hour_us": hour_us, "route": route}
    values |= {"saved": saved.value, "lower": saved.lower, "upper": saved.upper}
    return connection.execute(_PUT, values).rowcount > 0


def last_hours_us(connection: Connection) -> dict[str, int]:
    """The last hour of each route of which it was written what it saved."""
    query = select(ledger_savings.c.route, func.max(ledger_savings.c.hour_us)).group_by(ledger_savings.c.route)
    return {route: int(hour_us) for route, hour_us in connection.execute(query)}


def hours_with_lines(connection: Connection, route: str, since_us: int, until_us: int) -> list[int]:
    """A route's hours, from one moment on and before another, in which it had attempts."""
    query = select(ledger_lines.c.hour_us).where(
        ledger_lines.c.route == route, ledger_lines.c.hour_us >= since_us, ledger_lines.c.hour_us < until_us
    )
    return [int(hour_us) for hour_us in connection.execute(query.distinct().order_by(ledger_lines.c.hour_us)).scalars()]


def standing(connection: Connection, route: str) -> Standing:
    """How far a route is."""
    query = select(ledger_savings.c.saved_nanousd).where(ledger_savings.c.route == route)
    total = peak = 0
    for saved in connection.execute(query.order_by(ledger_savings.c.hour_us)).scalars():
        total += saved
        peak = max(peak, total)
    return Standing(total=total, peak=peak)
