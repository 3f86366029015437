"""Experiments that were started: what each promised, how far it came, and which ranges belong to which of its steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from gateway.store.codec import dump, load, load_any
from gateway.store.tables import experiment_results, experiment_steps, experiments
from routing.experiment.contract import Contract, ExperimentState, Progress
from routing.words import RouteName


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredExperiment:
    """One experiment of a route. Its contract never changes once it is started."""

    id: int
    """Set by `add`, whatever it is there."""
    route: RouteName
    contract: Contract
    """Its name is used once on a route."""
    progress: Progress
    ended_us: int | None = None
    """When nothing could change any more; `None` while it is running or paused."""
    salt: str
    """From its start through all its steps."""
    before_id: int
    """The entry of the history that was in force before the start."""
    updated_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedStep:
    """Ranges under which units entered at a step."""

    experiment_id: int
    step: int
    """Index into `Contract.steps`."""
    ranges_revision: int
    started_us: int
    share: int
    """The candidate's, in hundredths of a percent of all units."""


def add(connection: Connection, experiment: StoredExperiment) -> int:
    """Note one that starts.

    Returns:
        Its id.
    """
    row = {
        "route": experiment.route,
        "name": experiment.contract.name,
        "contract": dump(experiment.contract),
        "salt": experiment.salt,
        "before_id": experiment.before_id,
        **_changing(experiment.progress, experiment.ended_us, experiment.updated_us),
    }
    found = connection.execute(insert(experiments).values(row).returning(experiments.c.id)).scalar_one()
    return int(found)


def change(
    connection: Connection, experiment_id: int, progress: Progress, *, ended_us: int | None, updated_us: int
) -> None:
    """Note how far it has come."""
    values = _changing(progress, ended_us, updated_us)
    connection.execute(update(experiments).where(experiments.c.id == experiment_id).values(values))


def listing(connection: Connection, route: str | None = None) -> list[StoredExperiment]:
    """All that there ever were, or those of one route, in the order in which they started."""
    query = select(experiments).order_by(experiments.c.id)
    return _read(connection, query if route is None else query.where(experiments.c.route == route))


def one(connection: Connection, route: str, name: str) -> StoredExperiment | None:
    """The experiment of this name; `None` where it was never started."""
    query = select(experiments).where(experiments.c.route == route, experiments.c.name == name)
    return next(iter(_read(connection, query)), None)


def open_ones(connection: Connection) -> list[StoredExperiment]:
    """Those that are running or paused: one a route at most."""
    return _read(connection, select(experiments).where(experiments.c.ended_us.is_(None)).order_by(experiments.c.id))


def open_one(connection: Connection, route: str) -> StoredExperiment | None:
    """The one of a route that is running or paused."""
    query = select(experiments).where(experiments.c.ended_us.is_(None), experiments.c.route == route)
    return next(iter(_read(connection, query)), None)


def add_step(connection: Connection, step: StartedStep) -> None:
    """Note under which ranges units enter from now on, in the transaction that publishes them."""
    row = {
        "experiment_id": step.experiment_id,
        "step": step.step,
        "ranges_revision": step.ranges_revision,
        "started_us": step.started_us,
        "share": step.share,
    }
    connection.execute(insert(experiment_steps), row)


def steps(connection: Connection, experiment_id: int) -> list[StartedStep]:
    """Its steps in the order in which they came into force; one that was left and resumed is there more than once."""
    query = select(experiment_steps).where(experiment_steps.c.experiment_id == experiment_id)
    rows = connection.execute(query.order_by(experiment_steps.c.ranges_revision)).mappings()
    return [StartedStep(**row) for row in rows]


def newest_result(connection: Connection, experiment_id: int) -> tuple[int, Any] | None:
    """When it was looked at last, and what was seen then, as plain JSON; `None` before the first look."""
    query = select(experiment_results).where(experiment_results.c.experiment_id == experiment_id)
    row = connection.execute(query.order_by(experiment_results.c.at_us.desc()).limit(1)).first()
    return None if row is None else (row.at_us, load_any(row.body))


def _changing(progress: Progress, ended_us: int | None, updated_us: int) -> dict[str, object]:
    return {
        "state": progress.state.value,
        "step": progress.step,
        "step_since_us": progress.step_since_us,
        "started_us": progress.started_us,
        "reason": progress.reason.replace("\0", ""),
        "ended_us": ended_us,
        "updated_us": updated_us,
    }


def _read(connection: Connection, query: Select[Any]) -> list[StoredExperiment]:
    rows: Iterable[RowMapping] = connection.execute(query).mappings()
    return [_stored(row) for row in rows]


def _stored(row: RowMapping) -> StoredExperiment:
    return StoredExperiment(
        id=row["id"],
        route=row["route"],
        contract=load(row["contract"], Contract),
        progress=Progress(
            state=ExperimentState(row["state"]),
            step=row["step"],
            step_since_us=row["step_since_us"],
            started_us=row["started_us"],
            reason=row["reason"],
        ),
        ended_us=row["ended_us"],
        salt=row["salt"],
        before_id=row["before_id"],
        updated_us=row["updated_us"],
    )
