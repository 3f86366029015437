"""Answers that are tool calls."""

import json
from collections.abc import Sequence

from routing.audit.fields import parse_json
from routing.audit.verdict import Comparison, undefined, verdict

Calls = Sequence[tuple[str, str]]
"""Name and arguments (JSON text) of each call."""


def same_calls(arm: Calls, large: Calls) -> Comparison:
    """The same tools with equal arguments. Calls of one answer are made side by side, so their order does not matter.

    Arguments that are no JSON count against the arm; of the large model's they make the comparison undefined.

    >>> same_calls([("find", '{"id": 7, "all": true}')], [("find", '{"all":true,"id":7}')]).agrees
    True
    """
    try:
        expected = canonical_calls(large)
    except ValueError:
        return undefined("the large model's tool call is no JSON")
    try:
        found = canonical_calls(arm)
    except ValueError:
        return Comparison(agrees=False, detail="the arm's tool call is no JSON")
    return verdict(found == expected)


def canonical_calls(calls: Calls) -> list[str]:
    """Each call as JSON of one form (keys sorted, whole numbers without a point), in the order of these texts.

    Raises:
        ValueError: the arguments of one are no JSON. None at all stand for an empty object.
    """
    return sorted(
        json.dumps([name, _canonical(parse_json(arguments or "{}"))], sort_keys=True) for name, arguments in calls
    )


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
