"""What an answer says, apart from how it came: its text, and the calls of tools in it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson


class ToolCall(NamedTuple):
    """One call, as far as it can be told from JSON of any shape."""

    name: object
    """Of the function; a string in any call that is one."""
    arguments: object
    """A string of JSON in any call that is one."""
    is_function: bool = True
    """Or another kind of tool, whose input is no JSON."""


def calls_in(message: Any) -> list[ToolCall]:
    """The calls in a message: anything with `tool_calls` and `function_call`, as parsed from JSON."""
    calls = [_call(call) for call in message.tool_calls] if isinstance(message.tool_calls, list) else []
    if isinstance(message.function_call, dict):
        calls.append(_call({"function": message.function_call}))
    return calls


def _call(call: object) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if isinstance(function, dict):
        return ToolCall(function.get("name"), function.get("arguments"))
    is_other_kind = isinstance(call, dict) and call.get("type") not in (None, "function")
    return ToolCall(None, None, is_function=not is_other_kind)


def call_texts(calls: Iterable[ToolCall]) -> tuple[tuple[str, str], ...]:
    """Name and arguments of each call, as texts; arguments that are no JSON for a kind of call that is not known."""
    return tuple((str(call.name), _arguments_of(call) if call.is_function else "?") for call in calls)


def _arguments_of(call: ToolCall) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    return "" if call.arguments is None else orjson.dumps(call.arguments).decode()


def text_of(content: object, calls: Iterable[ToolCall]) -> str | None:
    """The content, or the calls as JSON that is the same for calls that mean the same; `None` where nothing is said."""
    if isinstance(content, str) and content:
        return content
    said = [{"name": call.name, "arguments": _parsed(call.arguments)} for call in calls]
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode() if said else None


def _parsed(arguments: object) -> object:
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments


class Said:
    """What a stream says, collected from its deltas."""

    __slots__ = ("_calls", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._calls: dict[object, list[Any]] = {}
        """By index: the first delta of the call, the name, and the pieces of its arguments."""

    def take(self, delta: Any) -> None:
        """Take in one delta: anything with `content`, `tool_calls` and `function_call`, as parsed from JSON."""
        if isinstance(delta.content, str):
            self._pieces.append(delta.content)
        if isinstance(delta.tool_calls, list):
            for at, call in enumerate(delta.tool_calls):
                if isinstance(call, dict):
                    index = call.get("index")
                    self._add(index if isinstance(index, int) else at, call, call.get("function"))
        if isinstance(delta.function_call, dict):
            self._add("function_call", {}, delta.function_call)

    def say(self, text: str) -> None:
        """Take in a piece of a text completion."""
        self._pieces.append(text)

    @property
    def content(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    @property
    def calls(self) -> list[ToolCall]:
        """The calls so far, in the order in which they began."""
        return [
            _call({**first, "function": {"name": name, "arguments": "".join(pieces)}} if name or pieces else first)
            for first, name, pieces in self._calls.values()
        ]

    def _add(self, index: object, call: dict[str, Any], function: object) -> None:
        kept = self._calls.setdefault(index, [{"type": call.get("type")}, "", []])
        if isinstance(function, dict):
            if isinstance(name := function.get("name"), str):
                kept[1] = kept[1] or name
            if isinstance(arguments := function.get("arguments"), str):
                kept[2].append(arguments)
