"""The structure that a request asked for, and whether an answer has it.

    asked for                                                    an answer that has it
    response_format json_object, structured_outputs json_object  a JSON object
    response_format json_schema, guided_json,                    JSON that the schema allows
      structured_outputs json
    tools, functions                                             calls only those, with JSON arguments that the
                                                                 tool's parameters allow; or calls none

A schema that cannot be judged by, since it is no schema, refers to other documents or would take too long, is no
reason to find fault with an answer: then only that it is JSON is looked at.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from serving.said import ToolCall

if TYPE_CHECKING:
    from jsonschema_rs import Validator

_ANY_OBJECT: Final = {"type": "object"}
_MAX_SCHEMA_BYTES: Final = 65_536
_MAX_SCHEMA_NODES: Final = 20_000
"""How large a schema may be with its references written out: about as many steps as one look at an answer may take."""
_KEPT_SCHEMAS: Final = 64
_OTHER_REFERENCES: Final = ("$dynamicRef", "$recursiveRef")
_ASKS: Final = frozenset({"response_format", "tools", "functions", "structured_outputs", "guided_json"})


class Structure:
    """What one request asked for."""

    __slots__ = ("_schema", "_tools", "wants_json")

    def __init__(self, *, wants_json: bool, schema: Any, tools: Sequence[Any]) -> None:
        """`schema`: as parsed from JSON, or JSON itself; `None` for any JSON at all."""
        self.wants_json = wants_json
        """Whether the answer's text is to be JSON."""
        self._schema = schema
        self._tools = tools

    def is_in(self, content: object, calls: Sequence[ToolCall]) -> bool | None:
        """Whether an answer has it; `None` where nothing was asked of such an answer, or it cannot be judged."""
        if calls:
            return _all_of([self._is_allowed(call) for call in calls]) if self._tools else None
        if not self.wants_json:
            return None
        return _conforms(content, self._schema)

    def _is_allowed(self, call: ToolCall) -> bool | None:
        if not call.is_function:
            return None
        for tool in self._tools:
            function = tool.get("function", tool) if isinstance(tool, dict) else None
            if isinstance(function, dict) and function.get("name") == call.name and call.name is not None:
                # Some servers leave the arguments of a tool that takes none empty.
                return _conforms(call.arguments or "{}", function.get("parameters") or _ANY_OBJECT)
        return False


def structure_of(body: Mapping[str, Any]) -> Structure | None:
    """What a chat's request asks for; `None` when that is nothing that could be judged. Never raises."""
    if _ASKS.isdisjoint(body):
        return None
    tools = [tool for name in ("tools", "functions") if isinstance(asked := body.get(name), list) for tool in asked]
    schema = _schema_of(body)
    if schema is None and not tools:
        return None
    return Structure(wants_json=schema is not None, schema=None if schema is True else schema, tools=tools)


def _schema_of(body: Mapping[str, Any]) -> Any:
    """The schema asked for, `True` for any JSON, `None` for no JSON."""
    outputs = body.get("structured_outputs")
    outputs = outputs if isinstance(outputs, dict) else {}
    schema = outputs.get("json")
    if schema is None:
        schema = body.get("guided_json")
    if schema is not None:
        return schema
    wanted = body.get("response_format")
    wanted = wanted if isinstance(wanted, dict) else {}
    if wanted.get("type") == "json_schema":
        named = wanted.get("json_schema")
        return named.get("schema", True) if isinstance(named, dict) else True
    return _ANY_OBJECT if wanted.get("type") == "json_object" or outputs.get("json_object") else None


def _all_of(verdicts: Sequence[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _conforms(text: object, schema: Any) -> bool | None:
    if not isinstance(text, str):
        return False
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    if schema is None:
        return True
    if schema is _ANY_OBJECT:
        return isinstance(value, dict)
    validator = _validator_of(schema)
    if validator is None:
        return None
    try:
        return validator.is_valid(value)
    except ValueError:
        return None  # deeper than it looks into, or a number beyond what it reckons with


def _validator_of(schema: Any) -> "Validator | None":
    try:
        written = schema.encode() if isinstance(schema, str) else orjson.dumps(schema)
    except (UnicodeEncodeError, orjson.JSONEncodeError):
        return None  # nested deeper than can be written
    return _compiled(written) if len(written) <= _MAX_SCHEMA_BYTES else None


@lru_cache(maxsize=_KEPT_SCHEMAS)
def _compiled(schema: bytes) -> "Validator | None":
    """What checks values by a schema; `None` for one that cannot be used. Nothing is ever fetched."""
    # Some ten megabytes that a worker needs only for those who ask for structure.
    from jsonschema_rs import RegexOptions, validator_for

    try:
        parsed = orjson.loads(schema)
        if _size_of(parsed, parsed, {}) > _MAX_SCHEMA_NODES:
            return None
        # These regular expressions take linear time, whatever they are.
        return validator_for(parsed, offline=True, pattern_options=RegexOptions())
    except (ValueError, RecursionError):
        return None


def _size_of(part: Any, schema: Any, known: dict[str, float]) -> float:
    """How many parts a schema has with its references written out; those that lead back to themselves count once.

    Infinite where references are not paths from the top of the document. Raises `ValueError` for one that leads
    nowhere.
    """
    if isinstance(part, list):
        return 1 + sum(_size_of(value, schema, known) for value in part)
    if not isinstance(part, dict):
        return 1
    if any(name in part for name in _OTHER_REFERENCES) or (part is not schema and isinstance(part.get("$id"), str)):
        return float("inf")
    size = 1 + sum(_size_of(value, schema, known) for value in part.values())
    return size + _size_of_target(part["$ref"], schema, known) if "$ref" in part else size


def _size_of_target(target: object, schema: Any, known: dict[str, float]) -> float:
    if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
        return float("inf")
    if target not in known:
        known[target] = 1
        known[target] = _size_of(_at(schema, target), schema, known)
    return known[target]


def _at(schema: Any, pointer: str) -> Any:
    """The part to which a fragment points (RFC 6901)."""
    part = schema
    for name in pointer.split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and key.isdecimal() and int(key) < len(part):
            part = part[int(key)]
        elif isinstance(part, dict) and key in part:
            part = part[key]
        else:
            raise ValueError(f"nothing at {pointer}")
    return part
