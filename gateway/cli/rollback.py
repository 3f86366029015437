"""`fallgate rollback`: the split that a route had before."""

from typing import Annotated

import typer

from gateway.cli.client import AdminClient, Json, run
from gateway.cli.traffic import change_traffic, show_traffic


def rollback(
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="The route.")],
    reason: Annotated[str | None, typer.Option(help="Why, for the audit.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Go back to the last split that differs from the one in force, and wait until every worker does so.

    Every unit gets the arm that it had then. Again goes one further back. Needs FALLGATE_ADMIN_KEY, and
    FALLGATE_ADMIN_URL where the gateway is not at http://127.0.0.1:8081.
    """
    body: Json = {} if reason is None else {"reason": reason}

    def act(client: AdminClient) -> Json:
        return change_traffic(
            client, route, lambda before: client.change("POST", route, "/rollback", before["etag"], body)
        )

    run("rollback", act, show_traffic, as_json=as_json)
