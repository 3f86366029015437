"""Sequential detectors of an arm's answers: confidence falls, or more of them are invalid or fall back.

They look at the mean over a minute, of at least `LEAST_ANSWERS` answers. A mean hardly spreads, so that steps up to the
largest allowed one are tried: lambda is a share of 1 / (1 - m0).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from routing.drift.alarms import Cause, Sign
from routing.drift.audited import TOLERANCE
from routing.drift.edetector import LAMBDAS, EDetector
from routing.drift.features import BY_NAME, Family
from routing.drift.summary import Summary, mean_of

LEAST_ANSWERS: Final = 20
WATCHED: Final = ("confidence", "invalid", "fallback")
LABELS: Final = "correct"
"""What stands for a feature where labels are watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    """By feature, those that have something to compare with. A value; `after` gives the next one."""

    by_name: Mapping[str, EDetector]

    @classmethod
    def of(cls, total: Summary) -> "Detectors":
        """Fresh ones, which mind a change of `TOLERANCE` or more from what a reference comes to."""
        found = {name: good_share(name, total) for name in WATCHED}
        return cls(by_name={name: _watching(good) for name, good in found.items() if good is not None})

    def after(self, summary: Summary) -> "Detectors":
        """After the mean of some answers; unchanged where they are too few."""
        return Detectors(by_name={name: _after(name, detector, summary) for name, detector in self.by_name.items()})

    def signs(self, false_alarm_rate: float) -> Iterator[Sign]:
        """Those that have seen enough. `false_alarm_rate` is a."""
        for name, detector in self.by_name.items():
            if detector.evidence >= 1 / false_alarm_rate:
                score = detector.evidence * false_alarm_rate
                yield Sign(feature=name, family=BY_NAME[name].family, cause=Cause.MEAN, score=score)

    def begun_anew(self, names: set[str]) -> "Detectors":
        """Those of `names` without what they have seen."""
        by_name = {name: one.begun_anew() if name in names else one for name, one in self.by_name.items()}
        return Detectors(by_name=by_name)

    def as_document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: _written(one) for name, one in self.by_name.items()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Detectors":
        """Read what `as_document` wrote."""
        return cls(by_name={name: _read(one) for name, one in document.items()})


def good_share(name: str, summary: Summary) -> float | None:
    """A mean in [0, 1] that is better the higher it is; `None` with fewer than `LEAST_ANSWERS`."""
    counts = summary.counts.get(name, ())
    if sum(counts) < LEAST_ANSWERS:
        return None
    if name == "confidence":
        mean = mean_of(summary, name)
        return None if mean is None else min(max(mean, 0.0), 1.0)
    return counts[0] / sum(counts)


def labels_detector(accuracy: float) -> EDetector:
    """One that looks at labels one by one, and minds a fall of `TOLERANCE` or more."""
    return EDetector(least=max(accuracy - TOLERANCE, 0.0))


def labels_sign(detector: EDetector, false_alarm_rate: float) -> Sign | None:
    """Whether labels are right less often than they were."""
    if detector.evidence < 1 / false_alarm_rate:
        return None
    return Sign(feature=LABELS, family=Family.OUTPUT, cause=Cause.LABELS, score=detector.evidence * false_alarm_rate)


def _watching(good: float) -> EDetector:
    least = max(good - TOLERANCE, 0.0)
    return EDetector(least=least, lambdas=tuple(share / (1 - least) for share in LAMBDAS))


def _after(name: str, detector: EDetector, summary: Summary) -> EDetector:
    good = good_share(name, summary)
    return detector if good is None else detector.after((good,))


def _written(detector: EDetector) -> list[Any]:
    return [detector.least, list(detector.parts), list(detector.lambdas)]


def _read(document: list[Any]) -> EDetector:
    least, parts, lambdas = document
    return EDetector(least=least, parts=tuple(parts), lambdas=tuple(lambdas))
