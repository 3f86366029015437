"""Alarms that are quiet by default: each begins once, says since when, and ends when it has been calm for a while."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from routing.drift.features import Family

CALM_WINDOWS: Final = 3
"""After so many windows without it, an alarm is over."""


class Cause(StrEnum):
    """What raised it."""

    WINDOW = "window"
    """One window is unlike the reference."""
    TREND = "trend"
    """Many windows are a little off, always to the same side."""
    MEAN = "mean"
    """A sequential detector of confidence, invalid answers or fallbacks."""
    LABELS = "labels"
    """A sequential detector of labels: answers are right less often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One window, or one look, says that a feature has moved."""

    feature: str
    family: Family
    cause: Cause
    score: float
    """PSI of a window; of a sequential alarm its evidence over what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm that is on."""

    feature: str
    family: Family
    cause: Cause
    since_us: int
    """Begin of the window that raised it."""
    score: float
    """The latest."""
    calm: int = 0
    """Windows since there was a sign of it."""

    def as_document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "feature": self.feature,
            "family": self.family.value,
            "cause": self.cause.value,
            "since_us": self.since_us,
            "score": self.score,
            "calm": self.calm,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Alarm":
        """Read what `as_document` wrote."""
        return cls(
            feature=document["feature"],
            family=Family(document["family"]),
            cause=Cause(document["cause"]),
            since_us=document["since_us"],
            score=document["score"],
            calm=document["calm"],
        )


Alarms = Mapping[str, Alarm]
"""By feature."""


def raised(alarms: Alarms, signs: Iterable[Sign], at_us: int) -> dict[str, Alarm]:
    """The alarms after signs between windows; those that are on stay on."""
    after = dict(alarms)
    for sign in signs:
        before = after.get(sign.feature)
        if before is None:
            after[sign.feature] = Alarm(
                feature=sign.feature, family=sign.family, cause=sign.cause, since_us=at_us, score=sign.score
            )
        else:
            after[sign.feature] = replace(before, score=sign.score, calm=0)
    return after


def after_window(alarms: Alarms, signs: Iterable[Sign], began_us: int) -> dict[str, Alarm]:
    """The alarms after a window: begun, gone on, or over after `CALM_WINDOWS` without a sign."""
    waiting = {name: replace(alarm, calm=alarm.calm + 1) for name, alarm in alarms.items()}
    after = raised(waiting, signs, began_us)
    return {name: alarm for name, alarm in after.items() if alarm.calm < CALM_WINDOWS}
