"""`fallgate simulate`: an upstream whose models are scripts, for demonstrations and tests."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from serving.simulated.script import ModelScript
    from serving.simulated.upstream import SimulatedUpstream

KEPT_CALLS = 100


def simulate(
    config: Annotated[Path | None, typer.Option(help="YAML file with the scripts of the models.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:KEY=VALUE,…]", help="A model; repeatable. Keys are those of the file."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8100,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address and the models as JSON.")] = False,
) -> None:
    """Serve simulated models: scripted answers, speeds, confidence and faults behind an OpenAI-compatible API.

    Not a real model, and it says so: in what it prints, in /v1/models and in the `server` header.
    """
    try:
        scripts = read_scripts(config, model or [])
    except ValueError as error:
        _fail(str(error))
    if not scripts:
        _say("name a model with --model NAME, or a file with --config FILE")
        raise typer.Exit(2)
    if host not in ("127.0.0.1", "::1", "localhost"):
        _say(f"warning: on {host} everybody who reaches this server can change its models")
    try:
        asyncio.run(serve(scripts, host, port, as_json=as_json))
    except OSError as error:
        _fail(f"cannot listen on {host} port {port}: {error.strerror}; choose another --port, or 0 for a free one")


def read_scripts(config: Path | None, options: list[str]) -> "list[ModelScript]":
    """The scripts of a file and of options. Raises ValueError with a sentence, also for a model named twice."""
    from serving.simulated.configuration import load_scripts, parse_option

    scripts = [] if config is None else load_scripts(config)
    scripts += [parse_option(option, beside=Path()) for option in options]
    names = [script.name for script in scripts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}; each model needs a name of its own")
    return scripts


async def serve(scripts: "list[ModelScript]", host: str, port: int, *, as_json: bool = False) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError when the port is taken."""
    from serving.simulated.upstream import SimulatedUpstream

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = SimulatedUpstream(scripts, keep_calls=KEPT_CALLS)
    await server.start(host, port)
    _announce(server, as_json=as_json)
    await stopped.wait()
    await server.stop()


def _announce(server: "SimulatedUpstream", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"base_url": server.base_url, "models": list(server.models), "simulated": True}), flush=True)
        return
    print("Simulated upstream: scripted answers, not a real model. For demonstrations and tests.")
    print(f"{server.base_url}  {', '.join(server.models)}", flush=True)


def _say(sentence: str) -> None:
    print(f"fallgate simulate: {sentence}", file=sys.stderr)


def _fail(sentence: str) -> NoReturn:
    _say(sentence)
    raise typer.Exit(1)
