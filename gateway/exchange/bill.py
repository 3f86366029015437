"""What the attempts of a request cost, and what for."""

from dataclasses import dataclass

from gateway.exchange.facts import Attempt, Exchange
from routing.cost.prices import cost_nanousd, price_at
from routing.words import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One attempt's line."""

    purpose: Purpose
    cost_nanousd: int | None
    """`None` where the price is unknown; 0 for an attempt that used nothing."""
    price_version: str | None


def bill_of(exchange: Exchange, attempt: Attempt) -> Bill:
    """Price one attempt by the price in force when the request arrived."""
    if attempt is not exchange.served:
        purpose = Purpose.DRAFT
    else:
        purpose = Purpose.SERVE if attempt.number == 1 else Purpose.FALLBACK
    if attempt.usage is None:
        return Bill(purpose=purpose, cost_nanousd=0, price_version=None)
    price = price_at(attempt.live.prices, exchange.head.arrived_us)
    if price is None:
        return Bill(purpose=purpose, cost_nanousd=None, price_version=None)
    return Bill(purpose=purpose, cost_nanousd=cost_nanousd(price, attempt.usage), price_version=price.version)
