"""The kinds of value that the configuration is made of, each checked with a sentence.

In a sentence `{value}` stands for what the file has there; it is filled in later, so that a secret never is.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gateway.settings.secret import Secret

MAX_NAME_CHARS = 64
MIN_SECRET_CHARS = 16
RESERVED_NAME = "none"
"""The metrics' label for a request whose route, arm or model is not known."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_CHARS - 1}}}")
_WITH_MORE = re.compile(r"\d\s*(?![eE][+-]?\d)[^\d\s.+_-]|[^\d\s.eE+_-]\s*\d")
"""A number with a currency beside it, or commas in it."""
NAME_PATTERN = f"^(?!none$){_NAME.pattern}$"

REFERENCE_PATTERN = r"\$\{"
"""Where a reference may stand, for the schema of the file as it is written."""


class Section(BaseModel):
    """A mapping of the file: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def refused(sentence: str, **parts: object) -> PydanticCustomError:
    """The error of a check; `{value}` and the names of `parts` may stand in the sentence."""
    return PydanticCustomError("sentence", sentence, parts or None)


def check_name(text: str) -> str:
    """A name that is safe as a metric label, in a header, in a path and on a command line."""
    if text == RESERVED_NAME:
        raise refused("{value} is taken: metrics use it where there is no name")
    if not _NAME.fullmatch(text):
        raise refused(
            "{value} is not a name; use letters, digits, '.', '_' and '-', beginning with a letter or digit, "
            f"{MAX_NAME_CHARS} characters at most"
        )
    return text


def _not_a_bool(value: Any) -> Any:  # whatever the file has
    if isinstance(value, bool):
        raise refused("{value} is not a number")
    return value


def _amount(value: Any) -> Any:  # whatever the file has
    if isinstance(value, str) and _WITH_MORE.search(value):
        raise refused("{value} is not a number; write the amount alone, which is in US dollars")
    return value


def _printable(secret: Secret) -> Secret:
    if not all("!" <= char <= "~" for char in secret.reveal()):
        raise refused("must be printable ASCII without spaces or line breaks, since it travels in a header")
    return secret


def _long_enough(secret: Secret) -> Secret:
    if len(secret.reveal()) < MIN_SECRET_CHARS:
        raise refused(f"is too short; {MIN_SECRET_CHARS} characters or more")
    return secret


def check_percent(value: Decimal) -> Decimal:
    """Two decimals are exact in buckets."""
    if value != round(value, 2):
        raise refused("{value} has too many decimals; two at most")
    return value


def check_price(value: Decimal) -> Decimal:
    """Nine decimals are exact in nano-dollars."""
    if value != round(value, 9):
        raise refused("{value} has too many decimals; nine at most")
    return value


def _text(text: str) -> str:
    if not text.strip():
        raise refused("must not be empty")
    if not text.isprintable():
        raise refused("must not contain line breaks or control characters")
    return text


NUMBER = BeforeValidator(_not_a_bool)
"""Stands after the limits of a number, so that they are part of it in the schema."""

NameKey = Annotated[str, AfterValidator(check_name), Field(json_schema_extra={"pattern": NAME_PATTERN})]
NameText = Annotated[
    str, AfterValidator(check_name), Field(json_schema_extra={"pattern": rf"{NAME_PATTERN}|{REFERENCE_PATTERN}"})
]
Text = Annotated[str, Field(max_length=512), AfterValidator(_text)]
ClientSecret = Annotated[Secret, AfterValidator(_long_enough), AfterValidator(_printable)]
UpstreamSecret = Annotated[Secret, AfterValidator(_printable)]
Seconds = Annotated[float, Field(gt=0, le=86_400), NUMBER]
Share = Annotated[float, Field(ge=0, le=1), NUMBER]
Fraction = Annotated[float, Field(gt=0, lt=1), NUMBER]
Percent = Annotated[Decimal, Field(ge=0, le=100), AfterValidator(check_percent), NUMBER]
Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000), AfterValidator(check_price), NUMBER, BeforeValidator(_amount)]
