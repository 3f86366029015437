"""What a model costs, as the file states it: by token, by token from a date on, or as a rate card of hardware."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from gateway.settings.fields import NUMBER, Dollars, Section, check_price, refused


class TokenPrice(Section):
    """Dollars per million tokens of each kind, and dollars per request."""

    input: Dollars = Field(description="Dollars per million input tokens.")
    cached_input: Dollars | None = Field(
        default=None, description="Dollars per million input tokens that the upstream had cached. Absent: as `input`."
    )
    cache_write: Dollars | None = Field(
        default=None,
        description="Dollars per million input tokens written to the upstream's cache. Absent: as `input`.",
    )
    output: Dollars = Field(description="Dollars per million output tokens.")
    reasoning: Dollars | None = Field(
        default=None, description="Dollars per million reasoning tokens. Absent: as `output`."
    )
    per_request: Dollars = Field(default=Decimal(0), description="Dollars per request, on top of its tokens.")


def _calendar_date(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and len(value) == len("2026-11-01")):
        return value
    raise refused("{value} is not a date, such as 2026-11-01")


class DatedTokenPrice(TokenPrice):
    """A token price and the day from which it holds."""

    since: Annotated[date, BeforeValidator(_calendar_date)] = Field(
        alias="from", description="The first day, in UTC, on which this price holds, until the next one in the list."
    )


class RateCard(Section):
    """Hardware by the hour: dollars per output token, reasoning included."""

    gpu_hour_usd: Dollars = Field(description="Dollars that the hardware of this model costs an hour.")
    tokens_per_second: Annotated[Decimal, Field(gt=0, le=1_000_000), AfterValidator(check_price), NUMBER] = Field(
        description="Output tokens that it makes in a second when it is used as you expect it to be."
    )


def _ascending(prices: tuple[DatedTokenPrice, ...]) -> tuple[DatedTokenPrice, ...]:
    if not prices:
        raise refused("is an empty list; leave price out where none is known")
    days = [price.since for price in prices]
    twice = sorted({day for day in days if days.count(day) > 1})
    if twice:
        raise refused("has two prices from {day}; keep one of them", day=twice[0].isoformat())
    return tuple(sorted(prices, key=lambda price: price.since))


def _form(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return "<dated>"
    if isinstance(value, dict):
        return "<rate card>" if {"gpu_hour_usd", "tokens_per_second"} & value.keys() else "<tokens>"
    if isinstance(value, TokenPrice):
        return "<tokens>"
    return "<rate card>" if isinstance(value, RateCard) else None


Price = Annotated[
    Annotated[TokenPrice, Tag("<tokens>")]
    | Annotated[tuple[DatedTokenPrice, ...], AfterValidator(_ascending), Tag("<dated>")]
    | Annotated[RateCard, Tag("<rate card>")],
    Discriminator(
        _form,
        custom_error_type="sentence",
        custom_error_message="is no price; use {input: 2.50, output: 10.00} in dollars per million tokens, a list of "
        "these with `from`, or {gpu_hour_usd: 1.20, tokens_per_second: 900}",
    ),
]
"""Dated prices come out in ascending order."""
