"""How many answers are right, as far as confidence knows without labels, beside what audits find.

Where confidence is calibrated, its mean estimates accuracy (confidence-based performance estimation, NannyML). That
holds while requests change within what the calibration has seen; it fails where the meaning of requests changes. So the
two are shown side by side, and an alarm says when they part.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Final

from routing.drift.audited import Audited
from routing.drift.summary import MICRO, Summary

BAND: Final = 0.06
"""What the estimate may be off in changed traffic although nothing is wrong: twice the mean error that was measured on
mixtures of subjects that the calibration knew."""
_Z: Final = 3.0
MIN_ANSWERS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Accuracy, without labels."""

    n: int
    accuracy: float
    error: float
    """Standard error, as of n independent answers that are right with their confidence."""

    @property
    def lower(self) -> float:
        """Of the band: three errors and what the method may be off."""
        return max(0.0, self.accuracy - _Z * self.error - BAND)

    @property
    def upper(self) -> float:
        """Of the band."""
        return min(1.0, self.accuracy + _Z * self.error + BAND)


def estimated(window: Summary) -> Estimate | None:
    """From a window whose confidence is calibrated; `None` with fewer than `MIN_ANSWERS` answers that have one."""
    n = sum(window.counts.get("confidence", ()))
    if n < MIN_ANSWERS:
        return None
    total, squares = (part / MICRO for part in window.sums["confidence"])
    return Estimate(n=n, accuracy=total / n, error=sqrt(max(total - squares, 0.0)) / n)


def interval(found: Audited) -> tuple[float, float]:
    """Of what audits found: three standard errors to either side, within [0, 1]."""
    return max(0.0, found.accuracy - _Z * found.error), min(1.0, found.accuracy + _Z * found.error)


def have_parted(estimate: Estimate, found: Audited) -> bool:
    """Whether confidence promises other than audits find, by more than the method's band and more than chance."""
    apart = abs(estimate.accuracy - found.accuracy)
    return apart > BAND + _Z * sqrt(estimate.error**2 + found.error**2)
