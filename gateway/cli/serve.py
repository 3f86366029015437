"""`fallgate serve`: the whole gateway, or one of its planes."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.logs.formats import LogFormat
from gateway.supervisor.serve import LogLevel, Order, Plane
from gateway.supervisor.serve import serve as run


def serve(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration file.")] = Path(
        "fallgate.yaml"
    ),
    plane: Annotated[Plane, typer.Option(help="What runs here.")] = Plane.BOTH,
    drain_s: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds that requests in flight may take at the end.")
    ] = 30,
    log_level: Annotated[
        LogLevel, typer.Option(envvar="FALLGATE_LOG_LEVEL", help="The least that is logged.")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="FALLGATE_LOG_FORMAT", help="Lines for people, or as JSON.")
    ] = LogFormat.TEXT,
    log_requests: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            envvar="FALLGATE_LOG_REQUESTS",
            help="The share of requests logged; failures are, from any share.",
        ),
    ] = 0,
) -> None:
    """Run the gateway until Ctrl-C or SIGTERM; SIGHUP reads the configuration file again.

    Requests in flight are finished at the end, for as long as --drain-s allows; a second signal ends everything at
    once. Exit 1 when the configuration is refused or an address is taken.
    """
    order = Order(
        config=config,
        plane=plane,
        drain_s=drain_s,
        log_level=log_level,
        log_format=log_format,
        log_requests=log_requests,
    )
    raise typer.Exit(run(order))
