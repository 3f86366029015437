"""A model's price in the file becomes dated prices in nano-dollars."""

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from gateway.snapshot.confidence import nanousd
from routing.cost.prices import Price, per_mtok, rate_card
from routing.words import TokenKind

if TYPE_CHECKING:
    from gateway.settings import models as settings

FROM_FILE: Final = "file"
"""The version of a price that has no date."""


def prices_of(model: "settings.Model") -> tuple[Price, ...]:
    """Ascending by date; none where the price is unknown."""
    from gateway.settings.hosted_prices import hosted_prices
    from gateway.settings.prices import HostedPrice, RateCard, TokenPrice

    price = model.price
    if price is None:
        return ()
    if isinstance(price, HostedPrice):
        return hosted_prices(price.provider, model.base_url, price.model or model.model)
    if isinstance(price, TokenPrice | RateCard):
        return (_price(price, since_us=0, version=FROM_FILE),)
    return tuple(
        _price(
            dated,
            since_us=int(datetime.combine(dated.since, time(), UTC).timestamp()) * 1_000_000,
            version=dated.since.isoformat(),
        )
        for dated in price
    )


def _price(price: "settings.TokenPrice | settings.RateCard", *, since_us: int, version: str) -> Price:
    from gateway.settings.prices import RateCard

    if isinstance(price, RateCard):
        return Price(
            since_us=since_us,
            version=version,
            nanousd_per_mtok={TokenKind.OUTPUT: rate_card(price.gpu_hour_usd, price.tokens_per_second)},
            gpu_hour_nanousd=nanousd(price.gpu_hour_usd),
        )
    usd_by_kind: dict[TokenKind, Decimal | None] = {
        TokenKind.INPUT: price.input,
        TokenKind.CACHED_INPUT: price.cached_input,
        TokenKind.CACHE_WRITE: price.cache_write,
        TokenKind.OUTPUT: price.output,
        TokenKind.REASONING: price.reasoning,
    }
    return Price(
        since_us=since_us,
        version=version,
        nanousd_per_mtok={kind: per_mtok(usd) for kind, usd in usd_by_kind.items() if usd is not None},
        per_request_nanousd=nanousd(price.per_request),
    )
