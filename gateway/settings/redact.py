"""The effective configuration as it may be shown: with its defaults, without its secrets."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from gateway.settings.models import Config
from gateway.settings.secret import Secret


def shown(config: Config) -> dict[str, Any]:
    """Plain values in the order of the file; secrets and passwords are asterisks.

    What is absent and has no default, such as a price, is left out.
    """
    tree: dict[str, Any] = plain(config.model_dump(mode="python", by_alias=True))
    tree["coordination"] = {"url": None} | tree["coordination"]
    return tree


def plain(value: Any) -> Any:  # a tree of whatever the models hold
    """A tree of values that YAML and JSON have words for."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Decimal | float):
        return int(value) if value == int(value) else float(value)
    return str(value) if isinstance(value, date | Secret) else value
