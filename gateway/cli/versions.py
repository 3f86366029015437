"""`fallgate versions`: what versions there are, where they come from, and which one has a route's traffic."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.client import AdminClient, AdminFailure, Json, run
from gateway.cli.traffic import change_traffic, show_traffic

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(no_args_is_help=True, help="List, show, register and promote versions; give them a reference.")

VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="The version: a model of the configuration.")]
ReasonOption = Annotated[str | None, typer.Option(help="Why, for the audit.")]
RouteOption = Annotated[str | None, typer.Option(help="The route; needed where the version is an arm of several.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

_HASH_CHARS = 12
_MOST_BYTES = 7 * 1024 * 1024
"""The admin API takes a little more."""


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the versions that are registered."""
    run("versions list", lambda client: {"ok": True, **client.get("/versions")}, _show_all, as_json=as_json)


@app.command()
def show(version: VersionArgument, as_json: JsonOption = False) -> None:
    """Show where a version comes from, who promoted it, and what its traffic is compared with."""
    run("versions show", lambda client: {"ok": True, **client.get("/versions", version)}, _show_one, as_json=as_json)


@app.command()
def register(
    version: VersionArgument,
    lineage: Annotated[Path, typer.Argument(metavar="LINEAGE.yaml", help="Where it comes from.", dir_okay=False)],
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where a version comes from: base model, dataset, training and evaluation, out of a lineage file."""

    def act(client: AdminClient) -> Json:
        body: Json = {"lineage": _read(lineage)}
        if reason is not None:
            body["reason"] = reason
        return {"ok": True, **client.put("/models", version, "/lineage", body)}

    run("versions register", act, _show_registered, as_json=as_json)


@app.command()
def promote(
    version: VersionArgument, route: RouteOption = None, reason: ReasonOption = None, as_json: JsonOption = False
) -> None:
    """Give a version all units of its route, and wait until every worker does so.

    It is a change of the split by hand: an experiment that is running there is paused. `fallgate rollback` undoes it.
    """

    def act(client: AdminClient) -> Json:
        name = route or the_route(client, version)
        body: Json = {"split": {version: 100}, "reason": reason or f"promote {version}"}
        return change_traffic(client, name, lambda before: client.change("PUT", name, "/split", before["etag"], body))

    run("versions promote", act, show_traffic, as_json=as_json)


@app.command()
def reference(
    version: VersionArgument,
    training_set: Annotated[
        Path, typer.Option("--from", metavar="TRAIN.jsonl", help="Its training set, a JSON object a line.")
    ],
    reason: ReasonOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a version's requests with its training set from now on, to see when they drift away from it.

    The file is described here; counts are sent, and no text of it.
    """

    def act(client: AdminClient) -> Json:
        body = _described(training_set)
        if reason is not None:
            body["reason"] = reason
        return {"ok": True, **client.put("/models", version, "/reference", body)}

    run("versions reference", act, _show_reference, as_json=as_json)


def the_route(client: AdminClient, version: str) -> str:
    """The only route that a version is an arm of.

    Raises:
        AdminFailure: it is an arm of none or of several, or no model.
    """
    models = {model["model"]: model for model in client.get("/models")["models"]}
    if version not in models:
        raise AdminFailure(f"there is no model {version!r}; there are {', '.join(sorted(models))}", "model_not_found")
    routes: list[str] = models[version]["arm_of"]
    if len(routes) != 1:
        which = f"an arm of {', '.join(routes)}" if routes else "no arm of a route yet"
        raise AdminFailure(f"{version} is {which}; name the route with --route", "route_needed")
    return routes[0]


def _read(path: Path) -> Json:
    from gateway.settings.lineage import read_lineage
    from gateway.settings.problems import ConfigError

    try:
        return read_lineage(path).model_dump(mode="json", exclude_none=True)
    except ConfigError as error:
        raise AdminFailure(f"{path}: {'; '.join(map(str, error.problems))}", "bad_file") from None


def _described(path: Path) -> Json:
    """A training set as it is sent; of one with a great many words fewer rows, so that it can be."""
    from gateway.cli.training_set import MOST_ROWS, BadTrainingSet, read_training_set

    most_rows = MOST_ROWS
    while True:
        try:
            found = read_training_set(path, most_rows)
        except BadTrainingSet as bad:
            raise AdminFailure(str(bad), "bad_file") from None
        chunks = [chunk.as_document() for chunk in found.chunks]
        if len(json.dumps(chunks)) <= _MOST_BYTES:
            return {"dataset_sha256": found.sha256, "rows": found.rows, "chunks": chunks}
        most_rows //= 2


def _show_all(found: Json) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for word in ("version", "base model", "dataset", "accuracy", "arm of", "reference", "promoted"):
        table.add_column(word, justify="right" if word == "accuracy" else "left", overflow="fold")
    for one in found["versions"]:
        table.add_row(
            one["model"],
            one["base_model"] or "unknown",
            (one["dataset_sha256"] or "unknown")[:_HASH_CHARS],
            _accuracy(one["evaluation"]),
            ", ".join(one["arm_of"]) or "none",
            _reference(one["references"]),
            _promoted(one["promoted"]),
        )
    console = Console()
    if found["versions"]:
        console.print(table)
    else:
        _say(console, "no version is registered: give one a lineage, with `fallgate versions register`")


def _show_one(found: Json) -> None:
    from rich.console import Console

    console, said = Console(), found["lineage"]
    _say(console, f"version     {found['model']}" + (f" ({found['version']})" if found["version"] else ""))
    _say(console, f"base model  {found['base_model'] or 'unknown'}")
    _say(console, f"dataset     {_dataset(said.get('dataset') or {})}")
    _say(console, f"accuracy    {_accuracy(found['evaluation'])}")
    _say(console, f"made        {found['created'] or 'unknown'} by {said.get('created_by') or 'nobody who said so'}")
    _say(console, f"arm of      {', '.join(found['arm_of']) or 'none'}")
    _say(console, f"reference   {_reference(found['references'])}")
    _say(console, f"promoted    {_promoted(found['promoted'])}")


def _show_registered(found: Json) -> None:
    from rich.console import Console

    console = Console()
    _say(
        console, f"{found['model']} is registered" if found["changed"] else f"{found['model']} was registered so before"
    )
    if found["note"]:
        _say(console, f"note: {found['note']}")


def _show_reference(found: Json) -> None:
    from rich.console import Console

    console = Console()
    _say(
        console, f"{found['model']} is compared with {found['n']} of {found['rows']} rows, in {found['chunks']} chunks"
    )
    if found["dataset_matches"] is None:
        _say(console, f"note: its lineage names no dataset; that of the file is {found['dataset_sha256']}")
    elif not found["dataset_matches"]:
        _say(
            console,
            f"note: the file's SHA-256 is {found['dataset_sha256']}, and its lineage names {found['lineage_sha256']}; "
            "it may be another file, or the lineage counts more than this one",
        )


def _reference(states: list[Json]) -> str:
    """What its requests are compared with."""
    inputs = [state for state in states if state["side"] == "input"]
    if not inputs:
        return "none yet"
    return ", ".join(dict.fromkeys(f"{state['n']} rows of {state['source']}" for state in inputs))


def _dataset(dataset: Json) -> str:
    name, digest = dataset.get("name"), dataset.get("sha256")
    rows = f", {dataset['train']} rows for training" if dataset.get("train") is not None else ""
    return f"{name or 'unnamed'} {digest or 'of unknown hash'}{rows}"


def _accuracy(evaluation: Json) -> str:
    value = evaluation.get("accuracy")
    return f"{value:.4g}" if isinstance(value, int | float) else "unknown"


def _promoted(promoted: Json | None) -> str:
    if promoted is None:
        return "never"
    return f"to {promoted['route']} by {promoted['who'] or 'somebody'} in revision {promoted['revision']}"


def _say(console: "Console", line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
