"""From requests as they are recorded, a piece at a time and in any order, to what each unit brings.

    request --measure--> values --join--> unit --tally--> sums by step and arm

A unit belongs to the arm and the step of its first request, which is known only when all of its requests are: one that
began earlier may be recorded later. So what a unit brought is taken out of the sums and put in again when it changes.

Two values are kept of each unit: that of its first request, which is there at once and stops what does harm, and that
over the horizon of the contract, which counts once the horizon is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from routing.experiment.contract import MetricName
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

LATENCY: Final = MEASURED.index(MetricName.LATENCY_MS)
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
        unit = _plus(unit, _zeros(values), sizes_of(values))
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
        d=sizes_of(values),
    )


def _is_moved(unit: Unit, request: Request) -> bool:
    return unit.is_moved or request.arm != unit.arm


def _zeros(values: Values) -> tuple[float, ...]:
    return tuple(value or 0.0 for value in values)


def sizes_of(values: Values) -> tuple[int, ...]:
    """1 for each value that there is."""
    return tuple(int(value is not None) for value in values)


def _plus(unit: Unit, y: Sequence[float], d: Sequence[int]) -> Unit:
    return replace(
        unit,
        y=tuple(one + other for one, other in zip(unit.y, y, strict=True)),
        d=tuple(one + other for one, other in zip(unit.d, d, strict=True)),
    )
