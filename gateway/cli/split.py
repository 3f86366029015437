"""`fallgate split`: another split for a route, while its traffic flows."""

import re
from decimal import Decimal
from typing import Annotated

import typer

from gateway.cli.client import AdminClient, Json, run
from gateway.cli.traffic import change_traffic, show_traffic

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%?")


def split(
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="The route.")],
    shares: Annotated[
        list[str], typer.Argument(metavar="ARM=PERCENT...", help="Its arms; together 100. Others get nothing.")
    ],
    reason: Annotated[str | None, typer.Option(help="Why, for the audit.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Change how a route's traffic is split, and wait until every worker does so.

    As few units as possible move to another arm. Needs FALLGATE_ADMIN_KEY, and FALLGATE_ADMIN_URL where the gateway is
    not at http://127.0.0.1:8081. Exit 1 when it was refused, or is not in force on every worker.
    """
    body: Json = {"split": parse_shares(shares)}
    if reason is not None:
        body["reason"] = reason

    def act(client: AdminClient) -> Json:
        return change_traffic(client, route, lambda before: client.change("PUT", route, "/split", before["etag"], body))

    run("split", act, show_traffic, as_json=as_json)


def parse_shares(shares: list[str]) -> dict[str, float]:
    """`ARM=PERCENT` entries by arm.

    Raises:
        BadParameter: an entry has another form, or an arm is named twice.
    """
    found: dict[str, float] = {}
    for entry in shares:
        arm, _, share = entry.partition("=")
        number = _PERCENT.fullmatch(share)
        if not arm or number is None:
            raise typer.BadParameter(f"{entry!r}: write ARM=PERCENT, such as support-v2=12.5")
        if arm in found:
            raise typer.BadParameter(f"{arm!r} is named twice")
        found[arm] = float(Decimal(number[1]))
    return found
