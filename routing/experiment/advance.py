"""What becomes of an experiment now: from what was promised, how far it has come, and what the ruling is.

| move | when, the first that holds |
| --- | --- |
| `stay` | it is not running |
| `roll_back` | the ruling is `roll_back` |
| `promote` | it is at the last step, the ruling is `promote`, the soak is over and the units of the step have matured |
| `inconclusive` | the stop date has come |
| `stay` | the ruling is `blocked` |
| `stay` | the soak is not over, or too few units of the step have matured |
| `stay` | the next step is the last, or this is, and the ruling is not `promote` |
| `step` | anything else |

So a step that leaves units to compare with needs no more than the absence of harm, and nobody is moved to the last
step, where little is left to compare with, before the candidate has kept what was asked of it. A step is taken one at
a time, and never down: what hurts goes all the way back.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from routing.experiment.contract import Contract, ExperimentMode, ExperimentState, Progress
from routing.experiment.ruling import Ruled, Ruling


class MoveKind(StrEnum):
    """What becomes of it."""

    STAY = "stay"
    STEP = "step"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUnits:
    """Matured units that entered at the step in force; of a label metric those with a label."""

    baseline: int
    candidate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What becomes of it, and why."""

    kind: MoveKind
    reason: str
    """A sentence."""
    to_step: int | None = None
    """Of a step: the index of the next."""
    is_acted_on: bool
    """Whether it is to be done; false for `stay`, and for whatever `mode: observe` would do."""


def advance(contract: Contract, progress: Progress, ruled: Ruled, *, now_us: int, units: StepUnits) -> Move:
    """Say what to do.

    Args:
        contract: what was promised.
        progress: how far it has come.
        ruled: what all steps together say.
        now_us: UTC microseconds since 1970.
        units: those of the step in force.
    """
    if progress.state is not ExperimentState.RUNNING:
        return Move(kind=MoveKind.STAY, reason=f"it is {_words(progress)}", is_acted_on=False)
    kind, reason = _running(contract, progress, ruled, now_us, units)
    is_acted_on = kind is not MoveKind.STAY and contract.mode is ExperimentMode.AUTO
    to_step = progress.step + 1 if kind is MoveKind.STEP else None
    return Move(kind=kind, reason=reason, to_step=to_step, is_acted_on=is_acted_on)


def _running(
    contract: Contract, progress: Progress, ruled: Ruled, now_us: int, units: StepUnits
) -> tuple[MoveKind, str]:
    if ruled.ruling is Ruling.ROLL_BACK:
        return MoveKind.ROLL_BACK, ruled.reason
    missing = _missing(contract, progress, now_us, units)
    is_proven = ruled.ruling is Ruling.PROMOTE
    if is_proven and progress.step == contract.last_step and missing is None:
        return MoveKind.PROMOTE, ruled.reason
    if now_us >= contract.stop_us:
        return MoveKind.INCONCLUSIVE, f"the stop date, {_date(contract.stop_us)}, has come without a verdict: " + (
            missing or ruled.reason if is_proven else ruled.reason
        )
    if ruled.ruling is Ruling.BLOCKED:
        return MoveKind.STAY, ruled.reason
    if missing is not None:
        return MoveKind.STAY, missing
    if progress.step >= contract.last_step - 1 and not is_proven:
        return MoveKind.STAY, f"{_percent(contract, contract.last_step)} needs a verdict: {ruled.reason}"
    return MoveKind.STEP, f"{_percent(contract, progress.step)} did no harm: {ruled.reason}"


def _missing(contract: Contract, progress: Progress, now_us: int, units: StepUnits) -> str | None:
    """Which of the conditions of the step in force does not hold yet."""
    left_us = progress.step_since_us + contract.soak_us - now_us
    if left_us > 0:
        return f"{_percent(contract, progress.step)} has to last {left_us / 1e6:.0f} s longer"
    # At the last step there may be nobody left in the baseline.
    counts = [units.candidate] if progress.step == contract.last_step else [units.candidate, units.baseline]
    if min(counts) < contract.min_units:
        return (
            f"{min(counts)} units in an arm at {_percent(contract, progress.step)}, "
            f"where {contract.min_units} are needed"
        )
    return None


def _words(progress: Progress) -> str:
    return f"{progress.state.replace('_', ' ')}: {progress.reason}"


def _percent(contract: Contract, step: int) -> str:
    return f"{contract.steps[step] / 100:g} %"


def _date(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
