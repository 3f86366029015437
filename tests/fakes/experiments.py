"""Experiments for tests."""

from collections.abc import Mapping
from dataclasses import replace

from msgspec import structs

from gateway.snapshot.document import ConfidenceEntry
from gateway.snapshot.file import FileDocument
from gateway.store.experiments import StoredExperiment
from routing.experiment.contract import (
    Contract,
    ExperimentMode,
    ExperimentState,
    Goal,
    Limit,
    MetricName,
    Progress,
)
from routing.words import ModelName
from tests.fakes.documents import SUPPORT, V1, V2, file_document

HOUR_US = 3_600_000_000

CONTRACT = Contract(
    name="v2",
    baseline=V1,
    candidate=V2,
    mode=ExperimentMode.AUTO,
    primary=Goal(metric=MetricName.FEEDBACK_SUCCESS),
    guardrails=(Limit(metric=MetricName.LATENCY_P95_MS, margin=200.0),),
    min_units=500,
    planned_units=5000,
    alpha=0.05,
    steps=(100, 500, 2500, 5000, 10_000),
    soak_us=HOUR_US,
    horizon_us=24 * HOUR_US,
    stop_us=90 * 24 * HOUR_US,
)
"""The defaults, from 1 to 100 percent."""

RUNNING = Progress(state=ExperimentState.RUNNING, step=0, step_since_us=0, started_us=0, reason="started by ops")


def experiment(contract: Contract = CONTRACT, progress: Progress = RUNNING, **changed: object) -> StoredExperiment:
    """An experiment that is running."""
    made = StoredExperiment(
        id=0, route=SUPPORT, contract=contract, progress=progress, salt="support.2", before_id=1, updated_us=0
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def file_with(
    contract: Contract | None = CONTRACT,
    split: Mapping[ModelName, int] | None = None,
    *,
    confidence: ConfidenceEntry | None = None,
) -> FileDocument:
    """A file whose route has an experiment; all units are with the baseline unless it says otherwise."""
    file = file_document(split or {V1: 10_000, V2: 0}, confidence=confidence)
    route = structs.replace(file.routes[SUPPORT], experiment=contract)
    return structs.replace(file, routes={SUPPORT: route})
