"""The stack of deploy/compose.yaml as it is in the repository, with its variables put in as Compose does it."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.dashboards import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")
_EXAMPLE_LINE = re.compile(r"^#?([A-Z_]+)=(.*)$", re.MULTILINE)


@cache
def stack() -> dict[str, Any]:
    """Parsed, merge keys resolved, variables as they stand."""
    parsed: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return parsed


def services() -> dict[str, dict[str, Any]]:
    """By name."""
    found: dict[str, dict[str, Any]] = stack()["services"]
    return found


def example() -> dict[str, str]:
    """The variables of .env.example, also those that are commented out."""
    return dict(_EXAMPLE_LINE.findall((DEPLOY / ".env.example").read_text()))


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Source, target and mode of each; variables by their defaults."""
    return [
        (source, target, mode)
        for source, target, mode in (
            (*VARIABLE.sub(lambda match: match[3] or "", text).split(":"), "rw")[:3]
            for text in service.get("volumes", ())
        )
    ]


def files_mounted() -> list[tuple[str, Path]]:
    """The files and folders of the repository that a service sees."""
    return [
        (name, DEPLOY / source)
        for name, service in services().items()
        for source, _, _ in mounts(service)
        if source.startswith(".")
    ]
