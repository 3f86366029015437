"""Requests that get an arm before the split is asked: the first target of a route that fits decides.

A targeted request draws no bucket. Whatever compares arms leaves it out, since it was not chance that chose its arm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from routing.assignment.units import header_text
from routing.words import ModelName

Value = str | int | float | bool


class TargetPlace(StrEnum):
    """What of a request is looked at."""

    HEADER = "header"
    KEY = "key"
    """The name of the client's key."""
    METADATA = "metadata"
    """The texts that a client sends along in `metadata`."""
    BODY = "body"
    """A field of the request, such as `temperature`."""


TEXT_PLACES: Final = frozenset({TargetPlace.HEADER, TargetPlace.KEY, TargetPlace.METADATA})
"""Places where nothing but text can stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """That something of a request has one of these values, exactly."""

    place: TargetPlace
    name: str = ""
    """Of the header (lower case), the entry or the field; empty for `key`."""
    values: tuple[Value, ...]

    def holds(self, headers: Mapping[bytes, bytes], body: Mapping[str, object], key_name: str) -> bool:
        """Whether a request meets it. What the request lacks meets nothing."""
        found: object = None
        if self.place is TargetPlace.HEADER:
            header = headers.get(self.name.encode())
            found = None if header is None else header_text(header)
        elif self.place is TargetPlace.KEY:
            found = key_name
        elif self.place is TargetPlace.BODY:
            found = body.get(self.name)
        else:
            metadata = body.get("metadata")
            found = metadata.get(self.name) if isinstance(metadata, dict) else None
        return any(_is_same(found, value) for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The arm of all requests that meet all of the conditions."""

    when: tuple[Condition, ...]
    arm: ModelName


def parse_place(text: str) -> tuple[TargetPlace, str]:
    """Read `header:NAME`, `key`, `metadata:NAME` or `body:FIELD`.

    >>> parse_place("header:X-Tier")
    (<TargetPlace.HEADER: 'header'>, 'x-tier')

    Raises:
        ValueError: it is none of these.
    """
    word, colon, name = text.partition(":")
    if word == TargetPlace.KEY and not colon:
        return TargetPlace.KEY, ""
    if word in (TargetPlace.HEADER, TargetPlace.METADATA, TargetPlace.BODY) and name:
        return TargetPlace(word), name.lower() if word == TargetPlace.HEADER else name
    raise ValueError(f"{text!r} is no place in a request; use header:NAME, key, metadata:NAME or body:FIELD")


def find_target(
    targets: Sequence[Target], headers: Mapping[bytes, bytes], body: Mapping[str, object], key_name: str
) -> ModelName | None:
    """The arm of the first target that a request fits; `None` where the split decides.

    Args:
        targets: in order.
        headers: by lower-case name.
        body: the request as it was sent.
        key_name: of the client's key.
    """
    for target in targets:
        if all(condition.holds(headers, body, key_name) for condition in target.when):
            return target.arm
    return None


def _is_same(found: object, value: Value) -> bool:
    """Equal and of one kind: text, number, or true and false, which Python takes for numbers."""
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    return found == value
