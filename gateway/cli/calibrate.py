"""`fallgate calibrate`: a fitted score and a threshold from a person's own labelled rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from gateway.cli.rows import BadRows, Json, Table, read_table, run_offline, warn
from routing.confidence.fit.calibrate import MIN_FIT_LABELS, MIN_RISK_LABELS, Calibration, Labels
from routing.confidence.fit.calibrate import calibrate as fit_and_arm
from routing.confidence.fit.holdout import hold_out
from routing.confidence.fit.logistic import LogisticFit, OneClassOnly
from routing.confidence.fit.quality import Estimate
from routing.confidence.fit.targets import Budget, Risk, SelectiveRisk, Target, Threshold, Utility, has_guarantee

_NO_FEATURES = ("correct", "propensity")


class Mode(StrEnum):
    """What the threshold is to achieve."""

    THRESHOLD = "threshold"
    BUDGET = "budget"
    RISK = "risk"
    SELECTIVE_RISK = "selective_risk"
    UTILITY = "utility"


_TARGETS: dict[Mode, tuple[Callable[..., Target], tuple[str, ...]]] = {
    Mode.THRESHOLD: (Threshold, ("min",)),
    Mode.BUDGET: (Budget, ("share",)),
    Mode.RISK: (Risk, ("alpha", "delta")),
    Mode.SELECTIVE_RISK: (SelectiveRisk, ("alpha", "delta")),
    Mode.UTILITY: (Utility, ("value-usd", "fallback-cost-usd", "fallback-accuracy")),
}
"""Each mode's target, and the options that are its fields, in order."""


def calibrate(  # noqa: PLR0913, PLR0917 - a parameter is an option of the command
    rows: Annotated[Path, typer.Argument(metavar="ROWS.csv", help="correct (0 or 1) and columns of features.")],
    mode: Annotated[Mode, typer.Option(help="What the threshold is to achieve.")],
    alpha: Annotated[float, typer.Option(help="risk, selective_risk: the bound.")] = 0.1,
    delta: Annotated[float, typer.Option(help="risk, selective_risk: how often the guarantee may fail.")] = 0.1,
    share: Annotated[float | None, typer.Option(help="budget: the share that may fall back.")] = None,
    minimum: Annotated[float | None, typer.Option("--min", help="threshold: the least probability served.")] = None,
    value_usd: Annotated[float | None, typer.Option(help="utility: what a correct answer is worth.")] = None,
    fallback_cost_usd: Annotated[float | None, typer.Option(help="utility: what a larger answer costs.")] = None,
    fallback_accuracy: Annotated[float | None, typer.Option(help="utility: how often it is right, 0 to 1.")] = None,
    holdout: Annotated[Path | None, typer.Option(help="Other labelled rows, to judge the result on.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the halves, the folds and the resamples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit a confidence to labelled answers and set a threshold on it, with the code that does so online.

    Every column but `correct` and `propensity` is a feature; an empty cell is a missing value. A target that cannot be
    met is a result, too: `feasible` is false, the reason is given and the exit code is 0.
    """
    figures = {
        "share": share,
        "min": minimum,
        "value-usd": value_usd,
        "fallback-cost-usd": fallback_cost_usd,
        "fallback-accuracy": fallback_accuracy,
    }
    target = build_target(mode, alpha, delta, figures)
    found: list[Calibration] = []

    def act() -> Json:
        calibration, result = calibrate_rows(rows, target, holdout, seed)
        found.append(calibration)
        return result | {"mode": mode.value}

    run_offline("calibrate", act, lambda result: _show(result, found[0]), as_json=as_json)


def build_target(mode: Mode, alpha: float, delta: float, figures: Mapping[str, float | None]) -> Target:
    """What the options ask for; a usage error says which one is missing or out of range."""
    kind, names = _TARGETS[mode]
    values = []
    for name in names:
        value = {"alpha": alpha, "delta": delta, **figures}[name]
        if value is None:
            raise typer.BadParameter(f"mode {mode} needs --{name}")
        values.append(value)
    try:
        return kind(*values)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def calibrate_rows(rows: Path, target: Target, holdout: Path | None, seed: int) -> tuple[Calibration, Json]:
    """The calibration of a file, and its figures.

    Raises:
        BadRows: a file cannot be used.
    """
    table = read_table(rows)
    features = _features(table)
    labels = _labels(table, features)
    held = None if holdout is None else _labels(read_table(holdout), features)
    try:
        calibration = fit_and_arm(labels, target, seed=seed)
    except OneClassOnly as error:
        raise BadRows(f"{rows}, column correct: {error}") from None
    _warn_if_few(len(labels), target)
    quality, decision = calibration.quality, calibration.decision
    result = {
        "n": calibration.n,
        "features": list(features),
        "auroc": quality.auroc.value,
        "auroc_low": quality.auroc.low,
        "auroc_high": quality.auroc.high,
        "ece": quality.ece.value,
        "alpha": target.alpha if isinstance(target, Risk | SelectiveRisk) else None,
        "delta": target.delta if isinstance(target, Risk | SelectiveRisk) else None,
        "feasible": decision.feasible,
        "reason": decision.reason,
        "threshold": decision.threshold,
        "accepted_share": decision.accepted_share,
    }
    if held is not None:
        p = calibration.fit.predict(held.x)
        result["holdout"] = asdict(hold_out(p, held.correct, decision.threshold, held.importance))
    return calibration, result


def _features(table: Table) -> tuple[str, ...]:
    """The columns to fit on; one that carries nothing is dropped with a warning."""
    table.require("correct")
    kept = []
    for name in table.columns:
        if name in _NO_FEATURES:
            continue
        values = table.numbers(name)
        present = values[~np.isnan(values)]
        if len(present) and present.min() < present.max():
            kept.append(name)
        else:
            warn("calibrate", f"column {name} is {'constant' if len(present) else 'empty'} and is dropped")
    if not kept:
        raise BadRows(f"{table.name} has no column of features that varies, beside correct and propensity")
    return tuple(kept)


def _labels(table: Table, features: Sequence[str]) -> Labels:
    table.require("correct", *features)
    correct = table.outcomes("correct")
    propensity = table.numbers("propensity", least=0, most=1) if "propensity" in table.columns else None
    whole = ~np.isnan(correct)
    if propensity is not None:
        whole &= ~np.isnan(propensity)
        if (propensity == 0).any():
            raise BadRows(f"{table.name}: a propensity of 0 belongs to a row that could not have been labelled")
    if not whole.all():
        warn("calibrate", f"{int((~whole).sum())} of {len(table)} rows of {table.name} have no label and are left out")
    if not whole.any():
        raise BadRows(f"{table.name}: no row has a label in column correct")
    labels = Labels(
        x=np.column_stack([table.numbers(name) for name in features]), correct=correct, propensity=propensity
    )
    return labels.at(np.flatnonzero(whole))


def _warn_if_few(n: int, target: Target) -> None:
    if n < MIN_FIT_LABELS:
        warn("calibrate", f"{n} labels are few: online nothing is fitted on fewer than {MIN_FIT_LABELS}")
    elif n < MIN_RISK_LABELS and has_guarantee(target):
        warn("calibrate", f"{n} labels are few: online a risk is not armed on fewer than {MIN_RISK_LABELS}")


def _show(result: Json, calibration: Calibration) -> None:
    console = Console()
    console.print(_score_table(calibration.fit, result["features"]))
    console.print()
    console.print(_figure_table(result, calibration))


def _score_table(fit: LogisticFit, features: Sequence[str]) -> RichTable:
    """The fitted score: log-odds = intercept + sum of weight x (feature - mean) / sd."""
    table = RichTable(box=None, pad_edge=False)
    for name in ("feature", "mean", "sd", "log-odds a sd"):
        table.add_column(name, justify="left" if name == "feature" else "right")
    for name, mean, sd, weight in zip(features, fit.means, fit.sds, fit.weights, strict=True):
        table.add_row(Text(name), f"{mean:.6g}", f"{sd:.6g}", f"{weight:+.4f}")
    table.add_row("(intercept)", "", "", f"{fit.intercept:+.4f}")
    return table


def _figure_table(result: Json, calibration: Calibration) -> RichTable:
    quality, decision = calibration.quality, calibration.decision
    rows = {
        "labels": f"{calibration.n}; {calibration.n_fit} fit the score, {calibration.n_threshold} set the threshold",
        "AUROC": _interval(quality.auroc),
        "ECE": _interval(quality.ece),
        "target": f"{result['mode']}: {'' if decision.feasible else 'cannot be met: '}{decision.reason}",
        "threshold": "none" if decision.threshold is None else f"{decision.threshold:.6f}",
        "accepted": _percent(decision.accepted_share),
    }
    if decision.least_fallback_share > 0:
        rows["must fall back"] = f"{_percent(decision.least_fallback_share)} under any score whatever"
    if (held := result.get("holdout")) is not None:
        area = "-" if held["auroc"] is None else f"{held['auroc']:.4f}"
        rows["hold-out"] = (
            f"{held['n']} labels, AUROC {area}, ECE {held['ece']:.4f}, accepted {_percent(held['accepted_share'])}, "
            f"served and wrong {_percent(held['risk'])}, wrong of the served {_percent(held['selective_risk'])}"
        )
    table = RichTable(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
