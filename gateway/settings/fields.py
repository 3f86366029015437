"""The kinds of value that the configuration is made of, each checked with a sentence.

In a sentence `{value}` stands for what the file has there; it is filled in later, so that a secret never is.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, NewType

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gateway.settings.secret import Secret

MAX_NAME_CHARS = 64
MIN_SECRET_CHARS = 16
RESERVED_NAME = "none"
"""The metrics' label for a request whose route, arm or model is not known."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_CHARS - 1}}}")
NAME_PATTERN = f"^(?!none$){_NAME.pattern}$"

Name = NewType("Name", str)


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


def _printable(secret: Secret) -> Secret:
    if not all("!" <= char <= "~" for char in secret.reveal()):
        raise refused("must be printable ASCII without spaces or line breaks, since it travels in a header")
    return secret


def _long_enough(secret: Secret) -> Secret:
    if len(secret.reveal()) < MIN_SECRET_CHARS:
        raise refused(f"is too short; {MIN_SECRET_CHARS} characters or more")
    return secret


def _percent(value: Decimal) -> Decimal:
    if value != round(value, 2):
        raise refused("{value} has too many decimals; two at most")
    return value


def _price(value: Decimal) -> Decimal:
    if value != round(value, 9):
        raise refused("{value} has too many decimals; nine at most")
    return value


def _text(text: str) -> str:
    if not text.strip():
        raise refused("must not be empty")
    if not text.isprintable():
        raise refused("must not contain line breaks or control characters")
    return text


_number = BeforeValidator(_not_a_bool)

NameText = Annotated[str, AfterValidator(check_name), Field(json_schema_extra={"pattern": NAME_PATTERN})]
Text = Annotated[str, AfterValidator(_text), Field(max_length=512)]
ClientSecret = Annotated[Secret, AfterValidator(_long_enough), AfterValidator(_printable)]
UpstreamSecret = Annotated[Secret, AfterValidator(_printable)]
Whole = Annotated[int, _number]
Seconds = Annotated[float, _number, Field(gt=0, le=86_400)]
Share = Annotated[float, _number, Field(ge=0, le=1)]
Percent = Annotated[Decimal, _number, Field(ge=0, le=100), AfterValidator(_percent)]
Dollars = Annotated[Decimal, _number, Field(ge=0, le=1_000_000), AfterValidator(_price)]
