"""Shadows of a route: a random share of requests that another model answers as well, unseen by the client."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.settings.fields import NUMBER, NameText, Section, check_price


class Shadow(Section):
    """A random share of requests that another model answers too. Sends prompts to that model and costs money."""

    to: NameText = Field(description="The model of `models` that answers too. Requests of which it is the arm are not.")
    share: Annotated[float, Field(gt=0, le=1), NUMBER] = Field(description="Of the route's requests, in (0, 1].")
    max_in_flight: Annotated[int, Field(ge=1, le=64), NUMBER] = Field(
        default=4, description="How many of them are under way at a time, in each worker."
    )
    spend_usd_per_day: Annotated[Decimal, Field(gt=0, le=1_000_000), AfterValidator(check_price), NUMBER] = Field(
        description="The most that they may cost in a day (UTC), on all machines together, in dollars."
    )
