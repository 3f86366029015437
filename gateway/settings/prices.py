"""What a model costs, as the file states it: by token, as a rate card of hardware, either from a date on, or by name.

{input: 2.50, output: 10.00}                     tokens
{gpu_hour_usd: 1.20, tokens_per_second: 900}     hardware
[{from: 2026-11-01, ...}, ...]                   either, dated
{source: genai-prices}                           what a list of hosted models' prices has for it
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from gateway.settings.fields import NUMBER, Dollars, Section, Text, check_price, refused


def _dollars_only(value: object) -> object:
    if value != "USD":
        raise refused("{value} is not known; prices are in US dollars: convert them, and write USD or leave this out")
    return value


Currency = Annotated[Literal["USD"], BeforeValidator(_dollars_only)]


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
    currency: Currency = Field(default="USD", description="US dollars are the only currency.")


def _calendar_date(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and len(value) == len("2026-11-01")):
        return value
    raise refused("{value} is not a date, such as 2026-11-01")


class _Dated(Section):
    since: Annotated[date, BeforeValidator(_calendar_date)] = Field(
        alias="from", description="The first day, in UTC, on which this price holds, until the next one in the list."
    )


class DatedTokenPrice(TokenPrice, _Dated):
    """A token price and the day from which it holds."""


class RateCard(Section):
    """Hardware by the hour: dollars per output token, reasoning included."""

    gpu_hour_usd: Dollars = Field(
        description="Dollars an hour of the hardware behind this model's `base_url`, once for all models there."
    )
    tokens_per_second: Annotated[Decimal, Field(gt=0, le=1_000_000), AfterValidator(check_price), NUMBER] = Field(
        description="Output tokens that it makes in a second when it is used as you expect it to be."
    )
    currency: Currency = Field(default="USD", description="US dollars are the only currency.")


class DatedRateCard(RateCard, _Dated):
    """A rate card and the day from which it holds."""


class HostedPrice(Section):
    """A price that is looked up when the file is read, in a list that comes with a package. Nothing is fetched."""

    source: Literal["genai-prices"] = Field(
        description="The list: `genai-prices`, of the package of that name (`fallgate[prices]`)."
    )
    provider: Text | None = Field(
        default=None, description="Who is paid, as the list calls it, such as `openai`. Absent: found by `base_url`."
    )
    model: Text | None = Field(
        default=None, description="The model, as its provider calls it. Absent: as `model` of the model itself."
    )


Dated = tuple[DatedTokenPrice | DatedRateCard, ...]


def _ascending(prices: Dated) -> Dated:
    if not prices:
        raise refused("is an empty list; leave price out where none is known")
    days = [price.since for price in prices]
    twice = sorted({day for day in days if days.count(day) > 1})
    if twice:
        raise refused("has two prices from {day}; keep one of them", day=twice[0].isoformat())
    return tuple(sorted(prices, key=lambda price: price.since))


def _is_card(value: object) -> bool:
    if isinstance(value, dict):
        return bool({"gpu_hour_usd", "tokens_per_second"} & value.keys())
    return isinstance(value, RateCard)


def _dated_form(value: object) -> str:
    return "<rate card>" if _is_card(value) else "<tokens>"


def _form(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return "<dated>"
    if isinstance(value, HostedPrice) or (isinstance(value, dict) and "source" in value):
        return "<source>"
    if _is_card(value):
        return "<rate card>"
    return "<tokens>" if isinstance(value, dict | TokenPrice) else None


_DatedPrice = Annotated[
    Annotated[DatedTokenPrice, Tag("<tokens>")] | Annotated[DatedRateCard, Tag("<rate card>")],
    Discriminator(_dated_form),
]

Price = Annotated[
    Annotated[TokenPrice, Tag("<tokens>")]
    | Annotated[RateCard, Tag("<rate card>")]
    | Annotated[HostedPrice, Tag("<source>")]
    | Annotated[tuple[_DatedPrice, ...], AfterValidator(_ascending), Tag("<dated>")],
    Discriminator(
        _form,
        custom_error_type="sentence",
        custom_error_message="is no price; use {input: 2.50, output: 10.00} in dollars per million tokens, "
        "{gpu_hour_usd: 1.20, tokens_per_second: 900}, a list of these with `from`, or {source: genai-prices}",
    ),
]
"""Dated prices come out in ascending order."""
