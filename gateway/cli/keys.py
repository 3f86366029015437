"""`fallgate keys`: make, list and revoke API keys."""

import time
from typing import Annotated

import typer

from gateway.cli.client import AdminClient, Json, run
from gateway.cli.traffic import behind

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name of the key.")]
ReasonOption = Annotated[str | None, typer.Option(help="Why, for the audit.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def create(
    name: NameArgument,
    scopes: Annotated[
        list[str],
        typer.Option("--scope", help="inference, inference:ROUTE, test, metrics or admin; may be given several times."),
    ],
    tenant: Annotated[str, typer.Option(help="Whose units its requests are of.")] = "default",
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and print its secret: this once and never again. Wait until every worker knows it."""
    body: Json = {"name": name, "scopes": scopes, "tenant": tenant} | _because(reason)

    def act(client: AdminClient) -> Json:
        since_s = time.monotonic()
        return _wait(client, client.post("/keys", body), since_s)

    run("keys create", act, _show_created, as_json=as_json)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the keys, without their secrets."""
    run("keys list", lambda client: {"ok": True, **client.get("/keys")}, _show_all, as_json=as_json)


@app.command()
def revoke(name: NameArgument, reason: ReasonOption = None, as_json: JsonOption = False) -> None:
    """Let a key count no more, and wait until no worker takes it. Keys of the file are taken out there."""

    def act(client: AdminClient) -> Json:
        since_s = time.monotonic()
        return _wait(client, client.delete("/keys", name, _because(reason)), since_s)

    run("keys revoke", act, _show_revoked, as_json=as_json)


def _because(reason: str | None) -> Json:
    return {} if reason is None else {"reason": reason}


def _wait(client: AdminClient, changed: Json, since_s: float) -> Json:
    """Wait for the workers; a secret is printed even where one of them is late."""
    in_force = client.wait_in_force(changed["revision"], since_s)
    found: Json = {
        "ok": not in_force.behind,
        **changed,
        "workers": in_force.workers,
        "in_force_after_ms": in_force.after_ms,
    }
    if in_force.behind:
        found["error"] = {"message": _late(found, behind(changed["revision"], in_force)), "code": "not_in_force"}
    return found


def _late(found: Json, sentence: str) -> str:
    return f"{sentence}; the secret is {found['secret']}" if "secret" in found else sentence


def _show_created(found: Json) -> None:
    print(f"{found['name']}: {found['secret']}")
    print(f"It may do {', '.join(found['scopes'])}. The secret is shown this once.{_arrival(found)}")


def _show_revoked(found: Json) -> None:
    print(f"{found['name']} is revoked.{_arrival(found)}")


def _arrival(found: Json) -> str:
    count = found["workers"]
    plural = "" if count == 1 else "s"
    return f" In force after {found['in_force_after_ms']} ms on {count} worker{plural}." if count else ""


def _show_all(found: Json) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for word in ("name", "scopes", "tenant", "from"):
        table.add_column(word, overflow="fold")
    for key in found["keys"]:
        table.add_row(key["name"], ", ".join(key["scopes"]), key["tenant"], key["source"])
    Console().print(table)
