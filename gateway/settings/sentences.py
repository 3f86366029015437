"""From pydantic's errors to problems in plain words."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.confidence import MODES
from gateway.settings.document import Unresolved
from gateway.settings.problems import KeyPath, Problem, dotted, shown
from gateway.settings.references import REFERENCES
from gateway.settings.unknown_keys import unknown_key

KEY_OF_A_MAPPING = "[key]"

_NO_NUMBER = "{value} is not a number"
_NO_WHOLE_NUMBER = "{value} is not a whole number"
_NO_DATE = "{value} is not a date, such as 2026-11-01"
_NO_MAPPING = "must be a mapping, that is, lines of KEY: VALUE"
_NO_LIST = "must be a list, as in [A, B]"

SENTENCES: Mapping[str, str] = {
    "missing": "required",
    "int_type": _NO_WHOLE_NUMBER,
    "int_parsing": _NO_WHOLE_NUMBER,
    "int_parsing_size": _NO_WHOLE_NUMBER,
    "int_from_float": _NO_WHOLE_NUMBER,
    "float_type": _NO_NUMBER,
    "float_parsing": _NO_NUMBER,
    "decimal_type": _NO_NUMBER,
    "decimal_parsing": _NO_NUMBER,
    "finite_number": _NO_NUMBER,
    "greater_than": "{value} is not allowed; must be more than {gt}",
    "greater_than_equal": "{value} is not allowed; must be {ge} or more",
    "less_than": "{value} is not allowed; must be less than {lt}",
    "less_than_equal": "{value} is not allowed; must be {le} or less",
    "string_type": "{value} is not text; put it in quotes",
    "string_too_long": "is too long; {max_length} characters at most",
    "enum": "{value} is not known; use {expected}",
    "literal_error": "{value} is not known; use {expected}",
    "date_type": _NO_DATE,
    "date_parsing": _NO_DATE,
    "date_from_datetime_parsing": _NO_DATE,
    "date_from_datetime_inexact": _NO_DATE,
    "model_type": _NO_MAPPING,
    "dict_type": _NO_MAPPING,
    "tuple_type": _NO_LIST,
    "list_type": _NO_LIST,
    "frozen_set_type": _NO_LIST,
}
"""What each kind of error says; `{value}` is what the file has, the rest comes from pydantic."""

_EMPTY = "is empty; give it a value or leave it out"
_EXPECTS_SOMETHING = frozenset({_NO_MAPPING, _NO_LIST, SENTENCES["string_type"], _NO_NUMBER, _NO_WHOLE_NUMBER})


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """One problem for each error, without those that are told elsewhere."""
    for detail in error.errors(include_url=False):
        if detail["type"] == REFERENCES or isinstance(detail["input"], Unresolved):
            continue
        path = _path(detail)
        # What stands where a mapping or a list belongs may be a secret that lost its place.
        is_misplaced = SENTENCES.get(detail["type"]) in (_NO_MAPPING, _NO_LIST)
        value = None if is_misplaced else shown(_input(detail), path)
        yield Problem(path=dotted(path), sentence=_sentence(detail, path, model), value=value)


def _path(detail: ErrorDetails) -> KeyPath:
    """Where it stands in the file: without the marks that unions leave in pydantic's path."""
    path = tuple(
        part
        for part in detail["loc"]
        if not (isinstance(part, str) and (part == KEY_OF_A_MAPPING or re.fullmatch("<.*>", part)))
    )
    return (*path, "mode") if _is_mode(detail) else path


def _is_mode(detail: ErrorDetails) -> bool:
    return detail["type"] == "confidence_mode" and isinstance(detail["input"], dict)


def _input(detail: ErrorDetails) -> object:
    if detail["type"] in ("missing", "extra_forbidden"):
        # Of a missing key pydantic gives what is around it; under an unknown key there may be a secret.
        return {}
    return detail["input"].get("mode") if _is_mode(detail) else detail["input"]


def _sentence(detail: ErrorDetails, path: KeyPath, model: type[BaseModel]) -> str:
    kind, value = detail["type"], _input(detail)
    if kind == "extra_forbidden":
        return unknown_key(detail["loc"], path, model)
    if kind == "confidence_mode":
        unknown = f"{_words(value, ())} is not known; use {MODES}"
        return unknown if _is_mode(detail) else "must be a mapping, as in {mode: observe}"
    template = detail["msg"] if kind == "sentence" else SENTENCES.get(kind, "is not valid: {message}")
    if value is None and template in _EXPECTS_SOMETHING:
        return _EMPTY
    parts: dict[str, Any] = {word: _short(part) for word, part in detail.get("ctx", {}).items()}
    parts |= {"message": detail["msg"], "value": _words(value, path)}
    # One pass, so that braces in a value stay what they are.
    return re.sub(r"\{(\w+)\}", lambda match: str(parts.get(match[1], match[0])), template)


def _short(part: object) -> object:
    return int(part) if isinstance(part, float) and part.is_integer() else part


def _words(value: object, path: KeyPath) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return shown(value, path) or "a list"
