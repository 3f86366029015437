"""From requests as they are recorded, a piece at a time and in any order, to sums over units.

    request --measure--> values --join--> unit --Tally--> sums by step and arm

A unit belongs to the arm and the step of its first request, which is known only when all of its requests are: one that
began earlier may be recorded later. So what a unit brought is taken out of the sums and put in again when it changes.

Two values are kept of each unit: that of its first request, which is there at once and stops what does harm, and that
over the horizon of the contract, which counts once the horizon is over.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from routing.experiment.contract import MetricName
from routing.experiment.quantiles import Ranked
from routing.experiment.sums import ArmSums
from routing.words import Outcome, Result

MEASURED: Final = (
    MetricName.CONFIDENCE,
    MetricName.FALLBACK_SHARE,
    MetricName.FAILURE_SHARE,
    MetricName.INVALID_SHARE,
    MetricName.LATENCY_MS,
    MetricName.FIRST_TOKEN_MS,
    MetricName.OUTPUT_TOKENS,
    MetricName.COST_USD,
)
"""What a request itself says, in the order of `Values`. Labels come later, and p95 is of the latencies."""

Values = tuple[float | None, ...]
"""What one request adds, in the order of `MEASURED`; `None` where it says nothing."""

NOTHING: Final = ArmSums()
_LATENCY: Final = MEASURED.index(MetricName.LATENCY_MS)
_ANSWERED: Final = frozenset({Outcome.SERVED, Outcome.FALLBACK, Outcome.DEGRADED})
_FAILED: Final = frozenset({Outcome.FAILED, Outcome.INTERRUPTED})
_OWN_ANSWERS: Final = frozenset({Result.COMPLETED, Result.DOUBTED, Result.INVALID})
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of an experiment, as recorded."""

    unit: str
    arm: str
    """To which it was assigned, whoever answered."""
    step: int | None
    """`None` where it was answered under ranges of no step, as while the experiment was paused."""
    at_us: int
    """When it began, UTC microseconds since 1970."""
    outcome: str
    arm_result: str | None
    """How the attempt at the arm ended; `None` without one."""
    is_stream: bool
    confidence: float | None
    duration_us: int
    first_token_us: int | None
    output_tokens: int
    """Of all attempts that were made to answer it."""
    cost_nanousd: int | None


def measure(request: Request) -> Values:
    """What it adds to each metric, in the order of `MEASURED`."""
    outcome, result = request.outcome, request.arm_result
    first_us = request.first_token_us if request.is_stream else None
    return (
        request.confidence,
        float(outcome == Outcome.FALLBACK),
        float(outcome in _FAILED),
        float(result == Result.INVALID) if result in _OWN_ANSWERS else None,
        request.duration_us / 1000 if outcome in _ANSWERED else None,
        None if first_us is None else first_us / 1000,
        float(request.output_tokens),
        None if request.cost_nanousd is None else request.cost_nanousd / _NANO,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What one unit brought."""

    arm: str
    """Of its first request, as `step` and `entered_us`."""
    step: int
    entered_us: int
    is_moved: bool
    """It was also seen in another arm."""
    first: Values
    """Of its first request."""
    y: tuple[float, ...]
    """Sums over its horizon, in the order of `MEASURED`."""
    d: tuple[int, ...]
    """Of how many requests."""


def join(unit: Unit | None, request: Request, horizon_us: int) -> Unit | None:
    """A unit with another request, which may be or turn out to be its first; `None` where it has not entered yet.

    With a horizon of 0 the order in which requests come makes no difference. With a longer one, a first request that
    is recorded only after requests from the end of the horizon leaves these in, though they are now behind it.
    """
    if unit is None or request.at_us < unit.entered_us:
        early = _enter(request)
        if unit is None or early is None:
            return early or unit
        return replace(_plus(early, unit.y, unit.d) if horizon_us else early, is_moved=_is_moved(unit, request))
    if request.at_us < unit.entered_us + horizon_us:
        values = measure(request)
        unit = _plus(unit, _zeros(values), _sizes(values))
    return replace(unit, is_moved=_is_moved(unit, request))


def _enter(request: Request) -> Unit | None:
    if request.step is None:
        return None
    values = measure(request)
    return Unit(
        arm=request.arm,
        step=request.step,
        entered_us=request.at_us,
        is_moved=False,
        first=values,
        y=_zeros(values),
        d=_sizes(values),
    )


def _is_moved(unit: Unit, request: Request) -> bool:
    return unit.is_moved or request.arm != unit.arm


def _zeros(values: Values) -> tuple[float, ...]:
    return tuple(value or 0.0 for value in values)


def _sizes(values: Values) -> tuple[int, ...]:
    return tuple(int(value is not None) for value in values)


def _plus(unit: Unit, y: Sequence[float], d: Sequence[int]) -> Unit:
    return replace(
        unit,
        y=tuple(one + other for one, other in zip(unit.y, y, strict=True)),
        d=tuple(one + other for one, other in zip(unit.d, d, strict=True)),
    )


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
        return Both(
            requests=ArmSums(n=self.n, y=self.y, d=self.d, yy=self.yy, dd=self.dd, yd=self.yd),
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
        self._first[unit.step, unit.arm].count(unit.first, _sizes(unit.first), unit.first[_LATENCY], sign)
        self.moved += sign * unit.is_moved

    def mature(self, unit: Unit, sign: int = 1) -> None:
        """Count what it brought over its horizon; with a sign of -1 take it out again."""
        self._whole[unit.step, unit.arm].count(unit.y, unit.d, unit.first[_LATENCY], sign)

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
