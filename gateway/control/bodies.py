"""Bodies of the admin API: JSON read strictly, then checked, with errors that name the field."""

import json
import re
from decimal import Decimal
from typing import Annotated, NoReturn, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
    ValidationError,
    model_validator,
)

from gateway.errors import ApiError
from routing.assignment.buckets import BUCKETS
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName

MAX_REASON_CHARS = 500
MOST_USD = 1_000_000

_NAME = re.compile(r"(?!none$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

B = TypeVar("B", bound=BaseModel)


def hundredths(value: object) -> int:
    """A percentage as hundredths of a percent; raises `ValueError` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number, in percent")
    if not 0 <= value <= 100:
        raise ValueError(f"{value} is not between 0 and 100 percent")
    scaled = Decimal(value) * 100
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{value} has more than two decimals")
    return int(scaled)


def _whole(split: dict[str, int]) -> dict[str, int]:
    total = sum(split.values())
    if total != BUCKETS:
        raise ValueError(f"percentages sum to {total / 100:g}, not 100")
    return split


def _storable(text: str) -> str:
    if len(text) > MAX_REASON_CHARS:
        raise ValueError(f"is longer than {MAX_REASON_CHARS} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair in it, which is no text") from None
    return text


def _fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= 1:
        raise ValueError("must be a number between 0 and 1")
    return float(value)


def _open_fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 < value < 1:
        raise ValueError("must be a number above 0 and below 1")
    return float(value)


def _dollars(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 < value <= MOST_USD:
        raise ValueError(f"must be dollars, above 0 and at most {MOST_USD}")
    dollars = Decimal(value)
    if dollars != round(dollars, 9):
        raise ValueError(f"{value} has more than nine decimals")
    return dollars


Reason = Annotated[str, AfterValidator(_storable)]
Share = Annotated[float, BeforeValidator(_fraction)]
Fraction = Annotated[float, BeforeValidator(_open_fraction)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason | None = None
    """Why, for the audit."""


class SplitBody(_Body):
    """Another split."""

    split: Annotated[dict[str, Annotated[int, BeforeValidator(hundredths)]], AfterValidator(_whole)]
    """Hundredths of a percent an arm, read from percent with up to two decimals."""


class FallbackPatch(BaseModel):
    """The fallback, on or off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: StrictBool


class ConfidencePatch(BaseModel):
    """How answers are judged; what is absent stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: ConfidenceMode | None = None
    score: ScoreName | None = None
    min: Share | None = None
    share: Fraction | None = None
    alpha: Fraction | None = None
    delta: Fraction | None = None
    value_usd: Annotated[Decimal, BeforeValidator(_dollars)] | None = None
    frozen: StrictBool | None = None


class AuditPatch(BaseModel):
    """How much is audited."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Share
    """0 switches audits off."""


class ShadowPatch(BaseModel):
    """How much is shadowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Share
    """0 switches shadows off."""


class PolicyBody(_Body):
    """The settings of a route that can be changed at run time, other than its split."""

    fallback: FallbackPatch | None = None
    confidence: ConfidencePatch | None = None
    audit: AuditPatch | None = None
    shadow: ShadowPatch | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        judges_otherwise = self.confidence is not None and self.confidence.model_dump(exclude_none=True)
        if not (self.fallback or self.audit or self.shadow or judges_otherwise):
            raise ValueError("name what to change: fallback, confidence, audit or shadow")
        return self


class ModelBody(_Body):
    """A model, on or off."""

    enabled: StrictBool


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("is not a name; use letters, digits, '.', '_' and '-', 64 characters at most")
    return text


class KeyBody(_Body):
    """Another key."""

    name: Annotated[str, AfterValidator(_name)]
    scopes: list[Annotated[str, AfterValidator(_storable)]]
    tenant: Annotated[str, AfterValidator(_name)] = "default"


class ReasonBody(_Body):
    """Nothing but why."""


def parse(raw: bytes, kind: type[B]) -> B:
    """Read one body. An empty one is an empty object.

    Raises:
        ApiError: 400, naming the field in `param`.
    """
    tree = _json(raw) if raw.strip() else {}
    if not isinstance(tree, dict):
        raise ApiError(400, f"the body must be a JSON object, not {_kind(tree)}", code="invalid_json")
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise _field_error(error, kind) from None


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError:
        raise ApiError(400, "the body is nested too deeply", code="invalid_json") from None
    except UnicodeDecodeError:
        raise ApiError(400, "the body is not UTF-8", code="invalid_json") from None
    except ValueError as error:
        raise ApiError(400, f"the body is not valid JSON: {error}", code="invalid_json") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    tree = dict(pairs)
    if any("\ud800" <= char <= "\udfff" for name in tree for char in name):
        raise ValueError("a name has half of a surrogate pair in it, which is no text")
    if len(tree) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return tree


def _field_error(error: ValidationError, kind: type[BaseModel]) -> ApiError:
    first = error.errors(include_url=False, include_context=True)[0]
    where = ".".join(str(part) for part in first["loc"]) or None
    match first["type"]:
        case "missing":
            sentence = "is missing"
        case "extra_forbidden":
            sentence = f"is not known here; there are {', '.join(sorted(_at(kind, first['loc'][:-1]).model_fields))}"
        case "model_type" | "dict_type":
            sentence = f"must be an object{_with_names(kind, first['loc'])}"
        case "value_error":
            sentence = str(first["ctx"]["error"])
        case _:
            sentence = first["msg"].replace("Input should", "must", 1)
    return ApiError(400, f"{where}: {sentence}" if where else sentence, param=where, code="invalid_value")


def _with_names(kind: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """What an object may have in it, where that is a closed list."""
    try:
        names = _at(kind, path).model_fields
    except StopIteration:
        return ""
    return f" with {', '.join(names)}"


def _at(kind: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel]:
    """The part of a body at a path."""
    for part in path:
        annotation = kind.model_fields[str(part)].annotation
        parts = (annotation, *get_args(annotation))
        kind = next(inner for inner in parts if isinstance(inner, type) and issubclass(inner, BaseModel))
    return kind


def _kind(value: object) -> str:
    names: dict[type, str] = {list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
