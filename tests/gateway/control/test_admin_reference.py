"""The reference pages name all that there is, and nothing else."""

import re
from pathlib import Path

from fastapi import FastAPI
from starlette.routing import Route
from typer.main import get_command

from gateway.cli import build
from gateway.cli.table import BUILT
from gateway.control.app import build_app
from gateway.control.endpoints import not_yet
from gateway.control.guard import AdminGuard
from gateway.control.parts import Parts

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def test_the_page_of_the_admin_api_lists_its_endpoints(parts: Parts) -> None:
    guard = build_app(parts)
    assert isinstance(guard, AdminGuard)
    assert isinstance(guard._app, FastAPI)
    routes = [route for route in guard._app.routes if isinstance(route, Route) and route.path not in not_yet.PATHS]
    built = {f"{method} {route.path}" for route in routes for method in (route.methods or set()) - {"HEAD"}}
    text = (REFERENCE / "admin-api.md").read_text()
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", text, re.MULTILINE)) == built
    assert all(f"`{path}`" in text for path in not_yet.PATHS)


def test_the_page_of_commands_has_a_section_for_each_with_every_option() -> None:
    text = (REFERENCE / "commands.md").read_text()
    sections = dict(re.findall(r"^## ([a-z]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert sections.keys() == BUILT.keys()
    for name in BUILT.keys() - {"config"}:
        command = get_command(build([name])).commands[name]  # type: ignore[attr-defined]
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert [option for option in options if option != "--help" and option not in sections[name]] == []
