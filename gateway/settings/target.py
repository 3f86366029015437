"""Targets of a route: requests that get a certain arm before the split is asked."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.settings.fields import NameText, Section, refused
from routing.assignment.targeting import TargetPlace, Value, parse_place

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_PATTERN: Final = r"^(key|header:.+|metadata:.+|body:.+)$"
_MOST_VALUES: Final = 1000

_SCALARS: Final = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
_SCHEMA: Final = {"anyOf": [*_SCALARS, {"type": "array", "items": {"anyOf": _SCALARS}}]}


def _place(text: str) -> str:
    try:
        place, name = parse_place(text)
    except ValueError:
        raise refused("{value} is no place in a request; use header:NAME, key, metadata:NAME or body:FIELD") from None
    wanted = _HEADER if place is TargetPlace.HEADER else _NAME
    if name and not wanted.fullmatch(name):
        raise refused("{value} has no valid name behind the colon")
    return f"{place}:{name}" if name else place.value


def _values(given: Any) -> tuple[Value, ...]:  # whatever the file has
    values = tuple(_value(one) for one in (given if isinstance(given, list | tuple) else [given]))
    if not 0 < len(values) <= _MOST_VALUES:
        raise refused(f"must be one value, or a list of 1 to {_MOST_VALUES}")
    return values


def _value(given: object) -> Value:
    if isinstance(given, Decimal):
        return float(given)
    if isinstance(given, str | int | float):  # a truth value is a whole number here
        return str(given) if isinstance(given, str) else given
    raise refused("{value} is neither text, nor a number, nor true or false")


def _something(when: dict[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
    if not when:
        raise refused("is empty, so it would hold for every request; that is what the split is for")
    return when


Place = Annotated[str, AfterValidator(_place), Field(json_schema_extra={"pattern": _PATTERN})]
Values = Annotated[Any, BeforeValidator(_values), WithJsonSchema(_SCHEMA)]


class Target(Section):
    """Requests that get an arm whatever the split says."""

    when: Annotated[dict[Place, Values], AfterValidator(_something)] = Field(
        description="What has to hold, all of it: a place (`header:NAME`, `key`, `metadata:NAME` or `body:FIELD`) and "
        "the value that is there, or a list of values of which one is."
    )
    arm: NameText = Field(description="The arm of the split that they get; it may have 0 percent there.")
