"""What the admin API shows of an experiment: its contract as the file has it, how far it is, and what was seen last."""

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.control.views import Json, percent
from gateway.store.experiments import StartedStep, StoredExperiment
from routing.experiment.contract import Contract, ExperimentState, Goal, Limit, Progress

Result = tuple[int, Any]
"""When it was looked at, and the body of what was seen."""


def contract_view(contract: Contract) -> Json:
    """By the names of the file, with times in seconds and microseconds since 1970."""
    return {
        "name": contract.name,
        "baseline": contract.baseline,
        "candidate": contract.candidate,
        "mode": contract.mode,
        "primary": _metric(contract.primary),
        "guardrails": [_metric(limit) for limit in contract.guardrails],
        "min_units": contract.min_units,
        "planned_units": contract.planned_units,
        "alpha": contract.alpha,
        "steps": [percent(step) for step in contract.steps],
        "soak_s": contract.soak_us / 1e6,
        "horizon_s": contract.horizon_us / 1e6 if contract.horizon_us else None,
        "stop_us": contract.stop_us,
        "holdout": percent(contract.holdout),
    }


def planned_view(contract: Contract) -> Json:
    """One that was not started."""
    progress = Progress(
        state=ExperimentState.PLANNED, step=0, step_since_us=0, started_us=None, reason="it has not been started"
    )
    return _view(contract, progress) | {
        "id": None,
        "step_since_us": None,
        "ended_us": None,
        "salt": None,
        "strata": [],
        **_seen(None),
    }


def started_view(experiment: StoredExperiment, steps: Sequence[StartedStep], result: Result | None) -> Json:
    """One that was started, over or not."""
    return _view(experiment.contract, experiment.progress) | {
        "id": experiment.id,
        "step_since_us": experiment.progress.step_since_us,
        "ended_us": experiment.ended_us,
        "salt": experiment.salt,
        "strata": [_stratum(step) for step in steps],
        **_seen(result),
    }


def listing_view(experiments: Iterable[StoredExperiment]) -> list[Json]:
    """All that were started, in a line each."""
    return [
        {
            "name": one.contract.name,
            "state": one.progress.state,
            "started_us": one.progress.started_us,
            "ended_us": one.ended_us,
            "reason": one.progress.reason,
        }
        for one in experiments
    ]


def _view(contract: Contract, progress: Progress) -> Json:
    return {
        "name": contract.name,
        "state": progress.state,
        "reason": progress.reason,
        "step": progress.step,
        "percent": percent(contract.steps[progress.step]),
        "started_us": progress.started_us,
        "contract": contract_view(contract),
    }


def _metric(metric: Goal | Limit) -> Json:
    return {"metric": metric.metric, "margin": metric.margin}


def _stratum(step: StartedStep) -> Json:
    return {
        "step": step.step,
        "percent": percent(step.share),
        "ranges_revision": step.ranges_revision,
        "started_us": step.started_us,
    }


def _seen(result: Result | None) -> Json:
    """What was seen last, and what follows from it: the decision, and what it would do or has done."""
    if result is None:
        return {"result": None, "decision": None, "move": None}
    at_us, body = result
    return {
        "result": {"at_us": at_us, **body},
        "decision": {"ruling": body.get("ruling"), "reason": body.get("reason")},
        "move": body.get("move"),
    }
