"""Sums over the units of an experiment, by step and arm, which go along as units come and change."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from routing.experiment.accumulate import LATENCY, MEASURED, Unit, sizes_of
from routing.experiment.contract import MetricName
from routing.experiment.quantiles import Ranked
from routing.experiment.sums import ArmSums

NOTHING: Final = ArmSums()
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Both:
    """Sums over the units of an arm, in two ways that are the same where every unit has one request."""

    requests: ArmSums = NOTHING
    """A unit counts by its requests: a ratio."""
    units: ArmSums = NOTHING
    """Of shares: a unit counts once, with the mean of its requests. Exact bounds are for units, not for ratios."""

    def __add__(self, other: "Both") -> "Both":
        return Both(self.requests + other.requests, self.units + other.units)


@dataclass(slots=True)
class _Sums:
    """Those of one metric in one arm, while they grow."""

    n: int = 0
    y: float = 0.0
    d: int = 0
    yy: float = 0.0
    dd: int = 0
    yd: float = 0.0
    mean: float = 0.0
    square: float = 0.0

    def count(self, y: float, d: int, sign: int) -> None:
        """Put a unit in, or take it out with a sign of -1."""
        mean = y / d
        self.n += sign
        self.y += sign * y
        self.d += sign * d
        self.yy += sign * y * y
        self.dd += sign * d * d
        self.yd += sign * y * d
        self.mean += sign * mean
        self.square += sign * mean * mean

    def both(self) -> Both:
        if not self.n:
            return Both()
        # What was put in and taken out again may leave a trace in the last digit, which no share may have.
        mean = min(max(0.0, self.mean), float(self.n))
        square = min(max(0.0, self.square), mean)
        # Nor may units that are all alike, such as with one and the same cost, seem to differ by rounding.
        alike = self.y * self.y / self.n
        yy = alike if abs(self.yy - alike) <= _ROUNDING * self.yy else self.yy
        return Both(
            requests=ArmSums(n=self.n, y=self.y, d=self.d, yy=yy, dd=self.dd, yd=self.yd),
            units=ArmSums(n=self.n, y=mean, d=self.n, yy=square, dd=self.n, yd=mean),
        )


@dataclass(slots=True)
class _Part:
    """The units of one arm and step."""

    units: int = 0
    sums: tuple[_Sums, ...] = field(default_factory=lambda: tuple(_Sums() for _ in MEASURED))
    latencies: Counter[int | None] = field(default_factory=Counter)

    def count(self, y: Sequence[float | None], d: Sequence[int], latency_ms: float | None, sign: int) -> None:
        self.units += sign
        for sums, value, size in zip(self.sums, y, d, strict=True):
            if size and value is not None:
                sums.count(value, size, sign)
        if latency_ms is not None:
            for number, count in Ranked.of([latency_ms]).counts.items():
                self.latencies[number] += sign * count


Place = tuple[int, str]
"""A step and an arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """What the two arms brought to one metric at one step."""

    baseline: Both = Both()
    arm: Both = Both()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What is known of the units of an experiment, by step. Steps without any are not there."""

    units: Mapping[int, tuple[int, int]]
    """How many in the baseline and in the arm."""
    strata: Mapping[MetricName, Mapping[int, Stratum]]
    latencies: Mapping[int, tuple[Ranked, Ranked]]
    """Of first requests, in milliseconds, of the baseline and of the arm."""


class Tally:
    """Sums over the units of one experiment, kept up to date."""

    def __init__(self) -> None:
        self._first: dict[Place, _Part] = defaultdict(_Part)
        self._whole: dict[Place, _Part] = defaultdict(_Part)
        self.moved = 0
        """Units that were seen in both arms, of all that entered."""

    def enter(self, unit: Unit, sign: int = 1) -> None:
        """Count what its first request brought; with a sign of -1 take it out again."""
        self._first[unit.step, unit.arm].count(unit.first, sizes_of(unit.first), unit.first[LATENCY], sign)
        self.moved += sign * unit.is_moved

    def mature(self, unit: Unit, sign: int = 1) -> None:
        """Count what it brought over its horizon; with a sign of -1 take it out again."""
        self._whole[unit.step, unit.arm].count(unit.y, unit.d, unit.first[LATENCY], sign)

    def entered(self, baseline: str, arm: str) -> Sums:
        """Over all units, each with its first request."""
        return _sums(self._first, baseline, arm)

    def matured(self, baseline: str, arm: str) -> Sums:
        """Over those whose horizon is over, each with what it brought until then."""
        return _sums(self._whole, baseline, arm)


def _sums(parts: Mapping[Place, _Part], baseline: str, arm: str) -> Sums:
    none = _Part()
    steps = sorted({step for step, _ in parts})
    pairs = {step: (parts.get((step, baseline), none), parts.get((step, arm), none)) for step in steps}
    return Sums(
        units={step: (one.units, other.units) for step, (one, other) in pairs.items()},
        strata={
            metric: {
                step: Stratum(baseline=one.sums[at].both(), arm=other.sums[at].both())
                for step, (one, other) in pairs.items()
            }
            for at, metric in enumerate(MEASURED)
        },
        latencies={step: (_ranked(one), _ranked(other)) for step, (one, other) in pairs.items()},
    )


def _ranked(part: _Part) -> Ranked:
    return Ranked({number: count for number, count in part.latencies.items() if count > 0})


def over_steps(strata: Iterable[Stratum]) -> Stratum:
    """All of them as one, which is only good for counting."""
    baseline, arm = Both(), Both()
    for one in strata:
        baseline, arm = baseline + one.baseline, arm + one.arm
    return Stratum(baseline=baseline, arm=arm)
