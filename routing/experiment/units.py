"""Which value a unit brings, and to which arm and step it belongs.

A unit enters once, with its first request, and belongs from then on to the arm and the step at which it entered. Its
value is summed over a horizon from there, the same for all units, and then stands. Only units whose horizon is over
count: the value of the others would still grow, most of all that of those who entered last.

A unit that a step moves to another arm stays where it entered (intention to treat), and enters no later step.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from routing.experiment.sums import ArmSums

FIRST_REQUEST_US = 0
"""The horizon with which a unit's value is that of its first request."""
DEFAULT_HORIZON_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One request, as far as an experiment is concerned."""

    unit: str
    arm: str
    """That it was assigned to, whoever answered."""
    step: int
    at_us: int
    y: float
    """What it adds to the value of its unit."""
    d: float = 1.0
    """What it adds to the size of its unit."""


@dataclass(slots=True)
class _Unit:
    first: Exposure
    y: float = 0.0
    d: float = 0.0
    arms: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matured:
    """The units whose horizon is over."""

    sums: Mapping[tuple[int, str], ArmSums]
    """By step and arm of entry."""
    waiting: int
    """Units whose horizon is not over yet."""
    moved: int
    """Units, of either kind, that were seen in another arm than that of their entry."""


def mature(
    exposures: Iterable[Exposure], now_us: int, horizon_us: int = DEFAULT_HORIZON_US, *, is_ratio: bool = False
) -> Matured:
    """Sum up the units of an experiment.

    Args:
        exposures: of the whole experiment, in any order.
        now_us: up to when exposures are complete.
        horizon_us: how long a unit's value is summed; `FIRST_REQUEST_US` for its first request alone.
        is_ratio: whether units count by their size (the cost of a request), or each as one.
    """
    units = _units(exposures, horizon_us)
    values: dict[tuple[int, str], list[_Unit]] = defaultdict(list)
    waiting = 0
    for unit in units:
        if unit.first.at_us + horizon_us <= now_us:
            values[unit.first.step, unit.first.arm].append(unit)
        else:
            waiting += 1
    return Matured(
        sums={
            place: ArmSums.of([unit.y for unit in found], [unit.d for unit in found] if is_ratio else None)
            for place, found in values.items()
        },
        waiting=waiting,
        moved=sum(len(unit.arms) > 1 for unit in units),
    )


def _units(exposures: Iterable[Exposure], horizon_us: int) -> list[_Unit]:
    units: dict[str, _Unit] = {}
    for one in sorted(exposures, key=lambda exposure: exposure.at_us):
        unit = units.setdefault(one.unit, _Unit(first=one))
        unit.arms.add(one.arm)
        if one is unit.first or one.at_us < unit.first.at_us + horizon_us:
            unit.y += one.y
            unit.d += one.d
    return list(units.values())
