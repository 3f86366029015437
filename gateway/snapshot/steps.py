"""Which ranges belong to which step of an experiment, noted in the transaction that publishes them."""

from sqlalchemy import Connection

from gateway.snapshot.document import Snapshot
from gateway.store import experiments
from gateway.store.experiments import StartedStep
from routing.experiment.contract import ExperimentState


def note_steps(connection: Connection, snapshot: Snapshot) -> None:
    """Note the ranges of every running experiment that came into force with a snapshot."""
    for experiment in experiments.open_ones(connection):
        entry = snapshot.document.routes.get(experiment.route)
        if entry is None or experiment.progress.state is not ExperimentState.RUNNING:
            continue
        known = {step.ranges_revision for step in experiments.steps(connection, experiment.id)}
        if entry.ranges_revision not in known:
            step = StartedStep(
                experiment_id=experiment.id,
                step=experiment.progress.step,
                ranges_revision=entry.ranges_revision,
                started_us=snapshot.created_us,
                share=entry.split[experiment.contract.candidate],
            )
            experiments.add_step(connection, step)
