"""Whom a split keeps together: where the unit of a request is looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

MAX_UNIT_CHARS = 512
"""Longer values are cut, so that a client cannot make hashing expensive."""


class UnitPlace(StrEnum):
    """Where a unit may be found."""

    HEADER = "header"
    BODY = "body"
    KEY = "key"
    REQUEST = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSource:
    """One entry of a route's `unit` list, such as `header:x-user-id`."""

    place: UnitPlace
    name: str = ""
    header: bytes = field(init=False, repr=False, compare=False)
    """The name as it is on the wire."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", self.name.encode())

    @classmethod
    def parse(cls, text: str) -> "UnitSource":
        """Read `header:NAME`, `body:FIELD`, `key` or `request`.

        Raises:
            ValueError: it is none of these.
        """
        place, _, name = text.partition(":")
        if place in (UnitPlace.HEADER, UnitPlace.BODY) and name:
            return cls(place=UnitPlace(place), name=name.lower() if place == UnitPlace.HEADER else name)
        if place in (UnitPlace.KEY, UnitPlace.REQUEST) and not name:
            return cls(place=UnitPlace(place))
        raise ValueError(f"{text!r} is not a unit; use header:NAME, body:FIELD, key or request")


class Unit(NamedTuple):
    """Whom a request belongs to, and where that was found."""

    value: str
    place: UnitPlace


def find_unit(
    sources: Sequence[UnitSource],
    headers: Mapping[bytes, bytes],
    body: Mapping[str, object],
    key_name: str,
    request_id: str,
) -> Unit:
    """The first unit of `sources` that the request has; the request itself when it has none of them.

    The place does not decide on the arm: a user named in a header today and in the body tomorrow stays in it.
    """
    for source in sources:
        value: object = None
        if source.place is UnitPlace.HEADER:
            header = headers.get(source.header)
            value = None if header is None else header_text(header)
        elif source.place is UnitPlace.BODY:
            value = body.get(source.name)
        elif source.place is UnitPlace.KEY:
            value = key_name
        else:
            break
        if value and isinstance(value, str):
            return Unit(value[:MAX_UNIT_CHARS], source.place)
    return Unit(request_id, UnitPlace.REQUEST)


def header_text(header: bytes) -> str:
    """What a header says."""
    # HTTP says Latin-1, clients send UTF-8; read as what it is, a name is the same unit as in a body, which is UTF-8.
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")
