"""What a new file means for the experiments that are not over: their contracts stand."""

from dataclasses import replace

from sqlalchemy import Connection

from gateway.snapshot.document import Snapshot
from gateway.snapshot.edit import Author
from gateway.snapshot.errors import ExperimentConflict
from gateway.snapshot.experiments import Done, change, words
from gateway.snapshot.file import FileDocument, FileRoute
from gateway.store import experiments
from gateway.store.experiments import StoredExperiment
from routing.experiment.contract import ExperimentState
from routing.words import RouteName


def keep_contracts(
    connection: Connection, file: FileDocument, previous: Snapshot | None, author: Author
) -> dict[RouteName, Done]:
    """Pause what the file has no longer; by route.

    Raises:
        ExperimentConflict: it changes what an experiment was started under.
    """
    paused = {}
    for experiment in experiments.open_ones(connection):
        route = file.routes.get(experiment.route)
        if route is not None and route.experiment is not None:
            _check(experiment, route, previous)
        elif experiment.progress.state is ExperimentState.RUNNING:
            reason = "its contract is not in the file any more"
            progress = replace(experiment.progress, state=ExperimentState.PAUSED, reason=reason)
            paused[experiment.route] = change(connection, experiment, progress, at_us=author.at_us)
    return paused


def _check(experiment: StoredExperiment, route: FileRoute, previous: Snapshot | None) -> None:
    name, state = experiment.contract.name, words(experiment.progress.state)
    place = f"routes.{experiment.route}"
    way_out = f"leave it as it was, or end it first: fallgate experiment {experiment.route} abort"
    if route.experiment is not None and route.experiment.name != name:
        raise ExperimentConflict(f"{place}.experiment.name: experiment {name!r} is {state}; {way_out}")
    if route.experiment != experiment.contract:
        raise ExperimentConflict(
            f"{place}.experiment: experiment {name!r} is {state}, and its contract does not change; {way_out}"
        )
    before = None if previous is None else previous.document.routes.get(experiment.route)
    if before is not None and before.unit != route.unit:
        raise ExperimentConflict(
            f"{place}.unit: experiment {name!r} is {state}, and its units do not change; {way_out}"
        )
