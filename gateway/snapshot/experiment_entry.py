"""An experiment as a snapshot knows it."""

from collections.abc import Sequence

import msgspec

from gateway.store.experiments import StoredExperiment
from routing.experiment.contract import Contract, ExperimentState
from routing.words import ModelName


class ExperimentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The experiment that a route has, and how far it has come."""

    id: int | None
    """`None` before its start."""
    name: str
    state: ExperimentState
    step: int
    """Index into the steps of its contract."""
    arms: tuple[ModelName, ModelName]
    """Baseline and candidate."""

    @property
    def is_running(self) -> bool:
        """Whether units enter it, so that nothing about its arms may change."""
        return self.state is ExperimentState.RUNNING


def experiment_entry(planned: Contract | None, stored: Sequence[StoredExperiment]) -> ExperimentEntry | None:
    """The one that is running or paused, or else the one that the file has.

    Args:
        planned: what the file has.
        stored: all that were started on the route.
    """
    name = None if planned is None else planned.name
    found = next((one for one in stored if not one.progress.state.is_over), None)
    found = found or next((one for one in stored if one.contract.name == name), None)
    if found is not None:
        return _entry(found.contract, found.id, found.progress.state, found.progress.step)
    return None if planned is None else _entry(planned, None, ExperimentState.PLANNED, 0)


def _entry(contract: Contract, experiment_id: int | None, state: ExperimentState, step: int) -> ExperimentEntry:
    arms = contract.baseline, contract.candidate
    return ExperimentEntry(id=experiment_id, name=contract.name, state=state, step=step, arms=arms)
