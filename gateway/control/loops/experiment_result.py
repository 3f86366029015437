"""What a look at an experiment showed, as JSON: for admin API, metrics and report. What is unknown is null."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from gateway.control.loops.accumulation import Totals
from gateway.store.experiments import StoredExperiment
from routing.experiment.advance import Move, StepUnits
from routing.experiment.contract import LABEL_METRICS, Contract, MetricName
from routing.experiment.measures import Findings, Found, Known, Watched

Json = dict[str, Any]


def result_body(
    experiment: StoredExperiment, totals: Totals, findings: Findings, effects: Mapping[MetricName, Found], move: Move
) -> Json:
    """Everything that was looked at, and what follows."""
    contract, ruled, ratio = experiment.contract, findings.ruled, findings.sample_ratio
    return {
        "state": experiment.progress.state.value,
        "step": experiment.progress.step,
        "mode": contract.mode.value,
        "primary": contract.primary.metric.value,
        "horizon_us": contract.horizon_us,
        "units": {
            "steps": [_step(contract, totals.known, step) for step in sorted(totals.known.weights)],
            "waiting": totals.waiting,
            "moved": totals.moved,
        },
        "effects": {metric.value: _effect(contract, found) for metric, found in effects.items()},
        "coverage": {
            metric.value: coverage(contract, totals.known, found)
            for metric, found in effects.items()
            if metric in LABEL_METRICS
        },
        "guardrails": [_guardrail(contract, one) for one in findings.guardrails],
        "sample_ratio": {
            "p_value": ratio.p_value,
            "chi_square_p_value": ratio.chi_square_p_value,
            "is_off": ratio.is_off,
        },
        "ruling": ruled.ruling.value,
        "reason": ruled.reason,
        "numbers": {name: _number(value) for name, value in ruled.numbers.items()},
        "move": {
            "kind": move.kind.value,
            "reason": move.reason,
            "to_step": move.to_step,
            "is_acted_on": move.is_acted_on,
        },
    }


def step_units(contract: Contract, known: Known, step: int) -> StepUnits:
    """Matured units that entered at a step; of a label metric those with a label."""
    metric = contract.primary.metric
    if metric is MetricName.LATENCY_P95_MS:
        latencies = known.matured.latencies.get(step)
        baseline, candidate = (0, 0) if latencies is None else (latencies[0].n, latencies[1].n)
    else:
        stratum = known.matured.strata.get(metric, {}).get(step)
        arms = (stratum.baseline, stratum.arm) if stratum is not None else None
        baseline, candidate = (0, 0) if arms is None else (arms[0].requests.n, arms[1].requests.n)
    return StepUnits(baseline=baseline, candidate=candidate)


def coverage(contract: Contract, known: Known, found: Found) -> dict[str, float]:
    """By arm, the share of the matured units that have a label."""
    matured = (sum(pair[at] for pair in known.matured.units.values()) for at in (0, 1))
    arms = (contract.baseline, contract.candidate)
    return {arm: n / all_of for arm, n, all_of in zip(arms, found.units, matured, strict=True) if all_of}


def _step(contract: Contract, known: Known, step: int) -> Json:
    arms = contract.baseline, contract.candidate
    return {
        "step": step,
        "due": dict(zip(arms, known.weights[step], strict=True)),
        "entered": dict(zip(arms, known.entered.units.get(step, (0, 0)), strict=True)),
        "matured": dict(zip(arms, known.matured.units.get(step, (0, 0)), strict=True)),
    }


def _effect(contract: Contract, found: Found) -> Json:
    return {
        "effect": _number(found.effect),
        "lower": _number(found.lower),
        "upper": _number(found.upper),
        "se": _number(found.se),
        "p_value": found.p_value,
        "arms": {contract.baseline: _number(found.baseline), contract.candidate: _number(found.arm)},
        "units": dict(zip((contract.baseline, contract.candidate), found.units, strict=True)),
        "is_exact": found.is_exact,
    }


def _guardrail(contract: Contract, watched: Watched) -> Json:
    guardrail = watched.guardrail
    return {
        "metric": guardrail.metric,
        "margin": guardrail.margin,
        "effect": _number(watched.effect),
        "least_harm": _number(guardrail.least_harm),
        "is_breached": guardrail.is_breached,
        "units": dict(zip((contract.baseline, contract.candidate), watched.units, strict=True)),
        "horizon": "first_request",
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
