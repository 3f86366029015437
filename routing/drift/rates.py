"""How rare each single alarm has to be, so that all alarms of a route together are as rare as was asked for.

`false_alarm_every_days` is a promise about time and about everything that is looked at. Half of it goes to the
comparison of windows, a quarter to shifts that last, a quarter to the detectors; among each, it is divided evenly.
"""

from dataclasses import dataclass
from typing import Final

MINUTES_A_DAY: Final = 1440
MEANS_EVERY_US: Final = 60_000_000
"""Means are looked at once a minute at most: so many looks a day are what the promise is reckoned with."""
LABELS_A_DAY: Final = 2_000
"""Labels of an arm a day that it is reckoned with at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """For one arm."""

    window_alpha: float
    """How often chance may call anything of one window drift, on one side."""
    cusum_windows: float
    """Windows until a false alarm of one side of one cumulated sum."""
    mean_alarm: float
    """a of a detector that looks at means: a false one after 1/a looks on average or later."""
    label_alarm: float
    """a of the detector that looks at labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What is looked at of a route."""

    arms: int
    windows_a_day: float
    sums: int
    """Numbers of an arm with a cumulated sum."""
    detectors: int
    """Detectors of an arm that look at means."""
    labels_a_day: float = LABELS_A_DAY


def rates_of(false_alarm_every_days: float, alpha: float, looks: Looks) -> Rates:
    """Divide the promise.

    Args:
        false_alarm_every_days: days until a false alarm of the route, on average; above 0.
        alpha: what a window is compared with at most, however rare windows are.
        looks: what is looked at, and how often.
    """
    arms = max(looks.arms, 1)
    windows = max(looks.windows_a_day, 1.0) * arms
    each_day = 1 / false_alarm_every_days
    return Rates(
        window_alpha=min(alpha, 0.5 * each_day / windows / 2),
        cusum_windows=windows * 2 * max(looks.sums, 1) / (0.25 * each_day),
        mean_alarm=0.125 * each_day / (MINUTES_A_DAY * max(looks.detectors, 1) * arms),
        label_alarm=0.125 * each_day / (max(looks.labels_a_day, LABELS_A_DAY) * arms),
    )


def windows_a_day(window_minutes: float) -> float:
    """As many as there can be; below a minute each it is reckoned with one a minute."""
    return MINUTES_A_DAY / max(window_minutes, 1.0)
