"""`fallgate`: the commands. Only the one that is run is imported, so that `serve` stays small and help is quick."""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from gateway.cli.table import BUILT

__all__ = ["main"]


def main() -> None:
    """The entry point of the `fallgate` script."""
    build(sys.argv[1:])()


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application for these arguments: the command that they name is real, the others are what help shows."""
    app = typer.Typer(
        name="fallgate",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Serve fine-tuned models, split traffic between their versions, fall back to a larger one.",
    )
    app.callback()(_nothing)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, entry in BUILT.items():
        if name != wanted:
            app.command(name, help=entry.help)(_nothing)
            continue
        found = getattr(import_module(entry.module), entry.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _nothing() -> None:
    """Stands where help needs something to show."""
