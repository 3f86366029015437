"""Audits of a route: a random share of requests that the fallback answers as well, so that answers can be compared."""

import re
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from gateway.settings.fields import NUMBER, NameText, Section, Share, check_price, refused

DEFAULT_TOLERANCE: Final = 0.01

_FIELD = re.compile(r"[^.\s]+(\.[^.\s]+)*")


def _field(path: str) -> str:
    if not _FIELD.fullmatch(path) or not path.isprintable():
        raise refused("{value} is no path of a field, such as intent or order.items.0.id")
    return path


def _some_fields(paths: tuple[str, ...]) -> tuple[str, ...]:
    if not paths:
        raise refused("is empty; name the fields that count, or write compare: json for all")
    return paths


class ByFields(Section):
    """JSON objects, by the fields that count."""

    fields: Annotated[tuple[Annotated[str, AfterValidator(_field)], ...], AfterValidator(_some_fields)] = Field(
        description="Dotted paths, such as `order.items.0.id`. `compare: json` compares all there is."
    )


class ByNumber(Section):
    """The last number in each answer."""

    tolerance: Share = Field(
        description="The greatest difference that still agrees, relative to the greater of the two. "
        f"`compare: number` means {DEFAULT_TOLERANCE}."
    )


class ByJudge(Section):
    """A model that is asked, twice, with the two answers in either order."""

    judge: NameText = Field(description="The model of `models` that is asked. It is no arm of the same split.")


def _compare_form(value: object) -> str | None:
    if isinstance(value, str):
        return "<word>" if value in ("exact", "json", "number") else None
    for key, kind in (("fields", ByFields), ("tolerance", ByNumber), ("judge", ByJudge)):
        if isinstance(value, kind) or (isinstance(value, dict) and key in value):
            return f"<{key}>"
    return None


Compare = Annotated[
    Annotated[Literal["exact", "json", "number"], Tag("<word>")]
    | Annotated[ByFields, Tag("<fields>")]
    | Annotated[ByNumber, Tag("<tolerance>")]
    | Annotated[ByJudge, Tag("<judge>")],
    Discriminator(
        _compare_form,
        custom_error_type="sentence",
        custom_error_message="must be exact, json, number, or a mapping: {fields: [order.id]} for JSON, "
        "{tolerance: 0.01} for numbers, or {judge: MODEL}",
    ),
]


class Audit(Section):
    """A random share of requests that the fallback answers as well. Sends prompts to another model and costs money."""

    share: Annotated[float, Field(gt=0, le=1), NUMBER] = Field(description="Of the route's requests, in (0, 1].")
    min_labels: Annotated[int, Field(ge=0, le=1_000_000), NUMBER] = Field(
        default=300,
        description="A version with fewer labels is audited more, as far as `spend_usd_per_day` allows.",
    )
    spend_usd_per_day: Annotated[Decimal, Field(gt=0, le=1_000_000), AfterValidator(check_price), NUMBER] = Field(
        description="The most that audits of this route may cost in a day (UTC), on all machines together, in dollars."
    )
    compare: Compare = Field(
        default="exact", description="How two answers are compared: `exact`, `json`, `number`, or a mapping."
    )
