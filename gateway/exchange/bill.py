"""What the attempts of a request cost, and what for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.exchange.facts import Attempt, Exchange
from routing.cost.prices import cost_of_kinds, price_at
from routing.words import Purpose, TokenKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One attempt's line."""

    purpose: Purpose
    cost_nanousd: int | None
    """`None` where the price is unknown; 0 for an attempt that used nothing."""
    price_version: str | None
    tokens: Mapping[TokenKind, int] = field(default_factory=dict)
    """What was used, by kind."""


def bill_of(exchange: Exchange, attempt: Attempt) -> Bill:
    """Price one attempt by the price in force when the request arrived."""
    if attempt is not exchange.served:
        purpose = Purpose.DRAFT
    else:
        purpose = Purpose.SERVE if attempt.number == 1 else Purpose.FALLBACK
    if attempt.usage is None:
        return Bill(purpose=purpose, cost_nanousd=0, price_version=None)
    tokens = attempt.usage.by_kind()
    price = price_at(attempt.live.prices, exchange.head.arrived_us)
    if price is None:
        return Bill(purpose=purpose, cost_nanousd=None, price_version=None, tokens=tokens)
    return Bill(purpose=purpose, cost_nanousd=cost_of_kinds(price, tokens), price_version=price.version, tokens=tokens)
