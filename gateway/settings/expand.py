"""`${NAME}` and `${NAME:-default}` in the scalars of a file, taken from the environment after parsing.

    ${NAME}             the variable; an error where it is not set
    ${NAME:-default}    the default where the variable is not set or empty; up to the next }, taken as it stands
    $$                  a dollar

Needs the standard library alone, so that a worker can resolve a reference without loading the models.
"""

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}|(?P<broken>\{))")


class Expanded(str):
    """A text that came out of references, together with them."""

    __slots__ = ("reference",)
    reference: str

    def __new__(cls, text: str, reference: str) -> "Expanded":
        made = super().__new__(cls, text)
        made.reference = reference
        return made


class ExpandError(ValueError):
    """A reference that cannot be resolved; the message is a sentence without any value."""


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Resolve the references of one text; an `Expanded` where there were any.

    Raises:
        ExpandError: a variable is not set, or what follows `${` is not a reference.
    """
    if "$" not in text:
        return text
    missing: list[str] = []
    references = 0

    def resolve(match: re.Match[str]) -> str:
        nonlocal references
        if match["dollar"]:
            return "$"
        if match["broken"] or "${" in (match["default"] or ""):
            raise ExpandError("${ begins a reference, as in ${NAME} or ${NAME:-default}; write $${ for the text itself")
        references += 1
        value = environ.get(match["name"])
        if match["default"] is not None:
            return value or match["default"][2:]
        if value is None:
            missing.append(match["name"])
        return value or ""

    expanded = _TOKEN.sub(resolve, text)
    if missing:
        names = " and ".join(dict.fromkeys(missing))
        raise ExpandError(f"the environment variable {names} is not set")
    return Expanded(expanded, text) if references else expanded


def has_default(reference: str) -> bool:
    """Whether a text with references carries a value of its own, in a default that is not empty."""
    return any(len(match["default"] or "") > 2 for match in _TOKEN.finditer(reference))
