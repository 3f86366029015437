"""What to say about a key that is not known: reserved, misspelt, or in the wrong place."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag

from gateway.settings.problems import KeyPath
from gateway.settings.trees import did_you_mean
from routing.confidence.gate import ConfidenceMode

NOT_YET_IN_ROUTE = frozenset({"capture", "limits"})
NOT_YET_IN_MODEL = frozenset({"breaker"})
"""Keys that later versions give a meaning to."""

_MODE_MARKS = frozenset(f"<{mode}>" for mode in ConfidenceMode)
_BESIDE = {
    "<rate card>": "does not belong beside gpu_hour_usd and tokens_per_second",
    "<source>": "does not belong beside source, where the prices are looked up",
}
_PRICES = frozenset({"<tokens>", *_BESIDE})
_ENTRY = 3
"""Length of a path such as routes.support.limits."""


def unknown_key(loc: tuple[int | str, ...], path: KeyPath, model: type[BaseModel]) -> str:
    """A sentence for the key at `loc`, which is pydantic's path with its marks of unions."""
    key, around = str(loc[-1]), loc[-2] if len(loc) > 1 else ""
    if len(path) == _ENTRY and key in {"routes": NOT_YET_IN_ROUTE, "models": NOT_YET_IN_MODEL}.get(str(path[0]), ()):
        return "not yet: this version cannot do it; leave it out"
    if around in _MODE_MARKS:
        return f"does not belong to mode {str(around).strip('<>')}"
    if around in ("<fields>", "<tolerance>", "<judge>"):
        return f"does not belong beside {str(around).strip('<>')}"
    if around in _PRICES and (sentence := _in_price(loc, key)):
        return sentence
    known = _known_keys(model, loc[:-1])
    inside = next((name for name, children in known.items() if key in children), None)
    return "unknown key" + (f"; it belongs in {inside}" if inside else did_you_mean(key, list(known)))


def _in_price(loc: tuple[int | str, ...], key: str) -> str | None:
    if key in ("until", "to", "end") and "<dated>" in loc:
        return "is not needed; a price holds until the day from which the next one in the list does"
    if key == "from":
        return "belongs in a list of prices, as in [{from: 2026-11-01, input: 2.50, output: 10.00}]"
    return _BESIDE.get(str(loc[-2]))


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> dict[str, set[str]]:
    """The keys of the section at `loc`, each with the keys of the section below it."""
    annotation: Any = model
    for part in loc:
        annotation = _inside(annotation, part)
    return {
        key: {child for section in _sections(inner) for child, _ in _fields(section)}
        for section in _sections(annotation)
        for key, inner in _fields(section)
    }


def _inside(annotation: Any, part: int | str) -> Any:
    options = list(_options(annotation))
    for tag, option in options:
        if tag == part:
            return option
    for _, option in options:
        if get_origin(option) in (dict, tuple):
            return get_args(option)[get_origin(option) is dict]
    return next((inner for section in _sections(annotation) for key, inner in _fields(section) if key == part), None)


def _sections(annotation: Any) -> list[type[BaseModel]]:
    return [kind for _, kind in _options(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _fields(section: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, field in section.model_fields.items():
        yield field.alias or name, field.annotation


def _options(annotation: Any) -> Iterator[tuple[str | None, Any]]:
    """The members of a union, each with its tag; anything else is its own only member."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        tag = next((mark.tag for mark in marks if isinstance(mark, Tag)), None)
        for own, option in _options(inner):
            yield tag or own, option
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _options(member)
    else:
        yield None, annotation
