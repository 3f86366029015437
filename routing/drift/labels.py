"""Labels, one by one: are answers right less often than they were when a version began?

The first `FIRST` labels say how often they are right; from then on a sequential detector looks at every one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Final

from routing.drift.alarms import Sign
from routing.drift.edetector import EDetector
from routing.drift.means import labels_detector, labels_sign

FIRST: Final = 300
_CAUTION: Final = 2.0
"""Standard errors by which the first labels may have been lucky."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelWatch:
    """What labels of one arm have shown. A value; `after` gives the next one."""

    n: int = 0
    right: float = 0.0
    until_us: int = 0
    """Labels up to this moment are in it."""
    detector: EDetector | None = None

    @property
    def share(self) -> float | None:
        """How many of the first labels were right; `None` before there are enough."""
        return self.right / self.n if self.detector is not None else None

    def after(self, values: Iterable[float], until_us: int) -> "LabelWatch":
        """After more labels, each 0 or 1, in their order."""
        watch = replace(self, until_us=max(self.until_us, until_us))
        rest = list(values)
        if watch.detector is None:
            taken, rest = rest[: FIRST - watch.n], rest[FIRST - watch.n :]
            watch = replace(watch, n=watch.n + len(taken), right=watch.right + sum(taken))
            if watch.n < FIRST:
                return watch
            watch = replace(watch, detector=labels_detector(_cautious(watch.right, watch.n)))
        detector = watch.detector
        return watch if detector is None else replace(watch, detector=detector.after(rest))

    def sign(self, false_alarm_rate: float) -> tuple["LabelWatch", Sign | None]:
        """Whether it has seen enough for an alarm; then it begins anew. `false_alarm_rate` is a."""
        sign = None if self.detector is None else labels_sign(self.detector, false_alarm_rate)
        if sign is None or self.detector is None:
            return self, None
        return replace(self, detector=self.detector.begun_anew()), sign

    def as_document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        parts = None if self.detector is None else [self.detector.least, *self.detector.parts]
        return {"n": self.n, "right": self.right, "until_us": self.until_us, "detector": parts}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "LabelWatch":
        """Read what `as_document` wrote."""
        parts = document["detector"]
        detector = None if parts is None else EDetector(least=parts[0], parts=tuple(parts[1:]))
        return cls(n=document["n"], right=document["right"], until_us=document["until_us"], detector=detector)


def _cautious(right: float, n: int) -> float:
    share = (right + 2) / (n + 4)
    return max(0.0, share - _CAUTION * sqrt(share * (1 - share) / n))
