"""What is wrong with a configuration, told as a path, a value and a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from gateway.mask import MASK, mask_url
from gateway.settings.expand import Expanded

KeyPath = tuple[str | int, ...]
"""Where something stands in a document: keys and list positions from the outside in."""

SECRET_KEYS = frozenset({"secret", "api_key"})
"""Keys whose value never shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to put right, or to know about where it is a warning."""

    path: str
    """Dotted, such as `keys.0.scopes.1`; empty for the file as a whole."""
    sentence: str
    value: str | None = None
    """What stands there, shortened; `None` where there is nothing to show or it could be a secret."""
    line: int | None = None
    """From 1; `None` where it is not known."""

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}" if self.path else self.sentence

    def where(self, file: Path) -> str:
        """The file and, where it is known, the line, as compilers print them and editors find them."""
        return f"{file}:{self.line}" if self.line else str(file)

    def told_of(self, file: Path) -> str:
        """The whole line that is printed or logged."""
        return f"{self.where(file)}: {self}"


class ConfigError(Exception):
    """A configuration that is refused whole, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: KeyPath) -> str:
    """A path as it is printed. Nothing below a secret is named: a secret in braces would be a key there."""
    shown: list[str] = []
    for part in path:
        shown.append(str(part))
        if part in SECRET_KEYS:
            break
    return ".".join(shown)


MAX_SHOWN_CHARS = 60


def shown(value: object, path: KeyPath) -> str | None:
    """A value as an error may show it, or `None` where there is nothing to show, as for a list.

    What came from the environment shows as its reference: nobody can tell whether it is a secret.
    """
    if any(part in SECRET_KEYS for part in path):
        return MASK
    if isinstance(value, str):
        text = mask_url(value.reference if isinstance(value, Expanded) else str(value))
        return repr(text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)[:MAX_SHOWN_CHARS] if isinstance(value, int | float | Decimal) else None
