"""The cheap second alarm: small shifts that last. A cumulated sum of z-scores of windows (Page, Biometrika 1954).

    S <- max(0, S + z - k),   alarm at S > h

for z and for -z. The time until a false alarm is that of Siegmund's approximation ("Sequential Analysis", 1985, 2.56)
for independent normal z: two values of h are tabled in any textbook, such as 930 windows for k = 0.5 and h = 5.
"""

from dataclasses import dataclass
from math import exp, log
from typing import Final

K: Final = 0.5
_OVERSHOOT: Final = 1.166
CAUTION: Final = 3.5
"""Of some twenty sums of a route, one in a hundred routes has one whose reference is further off."""
MOST_Z: Final = 4.0
"""One window alone must not raise it: what is far off in one is for the test of a single window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cusum:
    """Both sums. A value; `after` gives the next one."""

    up: float = 0.0
    down: float = 0.0

    @property
    def most(self) -> float:
        """The larger one, to be compared with h."""
        return max(self.up, self.down)

    def after(self, z: float, k: float = K) -> "Cusum":
        """The sums after one more window."""
        z = max(-MOST_Z, min(MOST_Z, z))
        return Cusum(up=max(0.0, self.up + z - k), down=max(0.0, self.down - z - k))


def slack(unsure: float) -> float:
    """k where the mean that z is reckoned from was itself estimated, with a standard error of `unsure` in units of z:
    what the estimate may be off, for good, is no shift.
    """
    return K + CAUTION * unsure


def run_length(h: float, k: float = K) -> float:
    """Windows until one side's false alarm, on average."""
    b = h + _OVERSHOOT
    return (exp(2 * k * b) - 1 - 2 * k * b) / (2 * k * k)


def limit_for(windows: float, k: float = K) -> float:
    """h at which one side's false alarm comes after so many windows on average; at least 4."""
    low, high = 4.0, max(5.0, log(2 * k * k * max(windows, 1.0) + 10) / k + 5)
    if run_length(low, k) >= windows:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if run_length(middle, k) < windows else (low, middle)
    return high
