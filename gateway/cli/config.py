"""`fallgate config`: check the configuration file, show what it comes to, print its schema."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.settings.load import DEFAULT_FILE, Loaded, load
from gateway.settings.problems import ConfigError, Problem

app = typer.Typer(no_args_is_help=True, help="Check, show and describe the configuration file.")

ConfigOption = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def check(config: ConfigOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Check a configuration file and name everything that is wrong with it.

    Exit 0 when `serve` would take it, with warnings on standard error; 1 with the problems when it would not.
    """
    loaded = _load_or_exit(config, as_json=as_json)
    counts = {"routes": len(loaded.config.routes), "models": len(loaded.config.models)}
    if as_json:
        _print_json({"ok": True, "file": str(config), **counts, "digest": loaded.digest} | _told((), loaded.warnings))
        return
    print(f"{config}: ok, {_count(counts['routes'], 'route')}, {_count(counts['models'], 'model')}")
    _complain(config, loaded.warnings, "warning: ")


@app.command()
def show(config: ConfigOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Print the effective configuration: defaults filled in, references resolved, secrets hidden."""
    import yaml

    from gateway.settings.redact import shown

    tree = shown(_load_or_exit(config, as_json=as_json).config)
    if as_json:
        _print_json(tree)
    else:
        print(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120), end="")


@app.command()
def schema(as_json: JsonOption = False) -> None:
    """Print the JSON Schema of the file, for editors; it is JSON with and without --json."""
    from gateway.settings.schema import json_schema

    print(json.dumps(json_schema(), indent=None if as_json else 2, ensure_ascii=False))


def _load_or_exit(config: Path, *, as_json: bool) -> Loaded:
    try:
        return load(config, os.environ)
    except ConfigError as error:
        problems = error.problems
    if as_json:
        _print_json({"ok": False, "file": str(config)} | _told(problems, ()))
    else:
        _complain(config, problems)
    raise typer.Exit(1)


def _told(problems: Iterable[Problem], warnings: Iterable[Problem]) -> dict[str, Any]:
    return {
        "problems": [asdict(problem) for problem in problems],
        "warnings": [asdict(warning) for warning in warnings],
    }


def _complain(config: Path, problems: Iterable[Problem], kind: str = "") -> None:
    for problem in problems:
        print(f"{problem.where(config)}: {kind}{problem}", file=sys.stderr)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _print_json(tree: dict[str, Any]) -> None:
    print(json.dumps(tree, ensure_ascii=False))
