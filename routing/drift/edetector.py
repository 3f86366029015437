"""A sequential alarm with a promise: how long it takes on average until one is false.

The Shiryaev-Roberts e-detector (Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change
detection", New England Journal of Statistics in Data Science, arXiv 2203.03532). For values in [0, 1] whose mean,
whatever came before, is at least m0:

    M <- (M + 1) (1 + lambda (m0 - x)),   0 <= lambda <= 1 / (1 - m0)

summed over several lambda with weights. While the mean keeps to m0, an alarm at M >= 1/a comes after 1/a values on
average or later, however values depend on each other. For an increase, watch 1 - x.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LAMBDAS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class EDetector:
    """Watches for a mean below `least`. A value; `after` gives the next one."""

    least: float
    """m0, in [0, 1]."""
    parts: tuple[float, ...] = (0.0,) * len(LAMBDAS)
    """M for each lambda."""
    lambdas: tuple[float, ...] = LAMBDAS

    @property
    def evidence(self) -> float:
        """M, equally weighted. An alarm is due at 1/a."""
        return sum(self.parts) / len(self.parts)

    def after(self, values: Iterable[float]) -> "EDetector":
        """The detector after more values, each in [0, 1]. It does not grow beyond 1e300."""
        parts = list(self.parts)
        steps = [min(step, 1 / (1 - self.least)) if self.least < 1 else step for step in self.lambdas]
        for value in values:
            difference = self.least - value
            for at, step in enumerate(steps):
                parts[at] = min((parts[at] + 1) * (1 + step * difference), 1e300)
        return EDetector(least=self.least, parts=tuple(parts), lambdas=self.lambdas)

    def begun_anew(self) -> "EDetector":
        """Without what it has seen, as after an alarm that was heard."""
        return EDetector(least=self.least, lambdas=self.lambdas)


def run_length(detector: EDetector, values: Sequence[float], false_alarm_rate: float) -> int | None:
    """After how many values the alarm comes, from 1; `None` where it does not. `false_alarm_rate` is a."""
    for at, value in enumerate(values):
        detector = detector.after((value,))
        if detector.evidence >= 1 / false_alarm_rate:
            return at + 1
    return None
