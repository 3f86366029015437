"""Answers that are JSON objects: equal where it counts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from routing.audit.verdict import Comparison, undefined, verdict

_MISSING: Final = object()


def agree_as_json(arm: str, large: str, fields: Sequence[str]) -> Comparison:
    """Compare two JSON objects by `fields`, dotted paths such as `order.items.0.id`; by all there is without any.

    A field that both lack is equal in both; numbers are equal by value (1 and 1.0), texts letter by letter. What is no
    JSON object counts against the arm; of the large model's it makes the comparison undefined.

    >>> agree_as_json('{"intent": "refund", "note": "x"}', '{"intent": "refund"}', ["intent"]).agrees
    True
    """
    expected, found = _object_in(large), _object_in(arm)
    if expected is None:
        return undefined("the large model's answer is no JSON object")
    if found is None:
        return Comparison(agrees=False, detail="the arm's answer is no JSON object")
    try:
        if not fields:
            return verdict(same_value(found, expected))
        differing = [path for path in fields if not same_value(_at(found, path), _at(expected, path))]
    except RecursionError:
        return undefined("the answers are nested too deeply to compare")
    return Comparison(agrees=False, detail=f"differ in {', '.join(differing)}") if differing else verdict(agrees=True)


def same_value(one: Any, other: Any) -> bool:
    """Whether two parsed JSON values are equal. Truth values are no numbers, though Python's are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    return bool(one == other)


def parse_json(text: str) -> Any:
    """A JSON value (RFC 8259). Raises `ValueError` for anything else."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object_in(text: str) -> Mapping[str, Any] | None:
    try:
        value = parse_json(_without_fence(text.strip()))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _without_fence(text: str) -> str:
    """Without the ``` lines that chat models like to put around JSON."""
    if text.startswith("```") and text.endswith("```"):
        first, _, rest = text.partition("\n")
        if rest and first.removeprefix("```").strip().lower() in ("", "json"):
            return rest.removesuffix("```")
    return text


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
