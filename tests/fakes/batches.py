"""Units of an adaptive experiment, batch by batch, as a look at it knows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from routing.experiment.adaptive import Arms, judge_arms, move_on
from routing.experiment.advance import Move, MoveKind
from routing.experiment.contract import (
    IS_HIGHER_BETTER,
    Allocation,
    Contract,
    ExperimentMode,
    ExperimentState,
    Goal,
    MetricName,
    Progress,
)
from routing.experiment.measures import Known
from routing.experiment.sample_ratio import Counted
from routing.experiment.sums import ArmSums
from routing.experiment.tally import Both, Stratum, Sums
from routing.words import ModelName

V1, V2, V3 = ARMS = (ModelName("v1"), ModelName("v2"), ModelName("v3"))
RUNNING = Progress(state=ExperimentState.RUNNING, step=0, step_since_us=0, started_us=0, reason="started by ops")
LATE_US = 2_000_000_000_000_000
EVENLY = {V1: 3334, V2: 3333, V3: 3333}
ADAPTIVE = Contract(
    name="best",
    baseline=V1,
    candidate=V2,
    rivals=(V3,),
    allocation=Allocation.ADAPTIVE,
    mode=ExperimentMode.AUTO,
    primary=Goal(metric=MetricName.FEEDBACK_SUCCESS),
    guardrails=(),
    min_units=100,
    planned_units=5000,
    alpha=0.05,
    steps=(),
    soak_us=0,
    horizon_us=0,
    stop_us=LATE_US,
)


@dataclass
class Batches:
    """Every unit has one request with an event or without."""

    contract: Contract = ADAPTIVE
    shares: dict[ModelName, int] = field(default_factory=lambda: dict(EVENLY))
    known: list[dict[ModelName, Both]] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)

    def add(self, units: Mapping[ModelName, int], events: Mapping[ModelName, int]) -> None:
        """Another batch under the shares in force."""
        self.known.append({arm: both(units[arm], events[arm]) for arm in self.contract.arms})
        weights = tuple(float(self.shares[arm]) for arm in self.contract.arms)
        self.counted.append(Counted(tuple(units[arm] for arm in self.contract.arms), weights))

    def pair(self, one: ModelName, other: ModelName) -> Known:
        """Two arms."""
        sums = Sums(
            units={at: (batch[one].units.n, batch[other].units.n) for at, batch in enumerate(self.known)},
            strata={metric: self._strata(one, other) for metric in self._metrics},
            latencies={},
        )
        return Known(matured=sums, entered=sums, weights={})

    @property
    def _metrics(self) -> Sequence[MetricName]:
        return self.contract.primary.metric, *(limit.metric for limit in self.contract.guardrails)

    def _strata(self, one: ModelName, other: ModelName) -> dict[int, Stratum]:
        return {at: Stratum(baseline=batch[one], arm=batch[other]) for at, batch in enumerate(self.known)}

    def judge(self) -> Arms:
        """What they show."""
        return judge_arms(self.contract, self.pair, self.counted)

    def move(self, arms: Arms, *, now_us: int = 1, entered: int = 100, progress: Progress = RUNNING) -> Move:
        """What follows."""
        return move_on(self.contract, progress, arms, self.shares, now_us=now_us, entered=entered)


def both(n: int, events: float) -> Both:
    """Units with 0 or 1."""
    sums = ArmSums(n=n, y=events, d=n, yy=events, dd=n, yd=events)
    return Both(requests=sums, units=sums)


@dataclass(frozen=True)
class Ended:
    """How an experiment ended."""

    move: Move | None
    """`None` where nothing came of it."""
    units: dict[ModelName, int]
    batches: Batches
    arms: Arms


def play(
    chance: np.random.Generator,
    gains: Mapping[ModelName, float],
    contract: Contract = ADAPTIVE,
    *,
    most: int = 25,
    size: int = 600,
) -> Ended:
    """Batch after batch, each looked at, while success drifts from 0.70 to 0.82 (failures from 0.30 to 0.18)."""
    scene = Batches(contract)
    for number in range(most):
        success = 0.70 + 0.12 * number / most
        share = success if contract.primary.metric in IS_HIGHER_BETTER else 1 - success
        drawn = chance.multinomial(size, [scene.shares[arm] / 10_000 for arm in contract.arms])
        units = dict(zip(contract.arms, (int(n) for n in drawn), strict=True))
        scene.add(units, {arm: int(chance.binomial(n, share + gains.get(arm, 0.0))) for arm, n in units.items()})
        arms = scene.judge()
        move = scene.move(arms, entered=min(units.values()))
        if move.kind in (MoveKind.PROMOTE, MoveKind.ROLL_BACK):
            break
        if move.shares is not None:
            scene.shares = dict(move.shares)
    is_over = move.kind in (MoveKind.PROMOTE, MoveKind.ROLL_BACK)
    total = {arm: sum(one.units[at] for one in scene.counted) for at, arm in enumerate(contract.arms)}
    return Ended(move if is_over else None, total, scene, arms)
