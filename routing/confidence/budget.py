"""Hold the share of answers that fall back at a wanted one, whatever the traffic: online quantile tracking.

    tau <- tau + eta * (share - [score < tau])

Whatever the scores, the share that fell below the threshold is then within (range + eta) / (eta * n) of the wanted one
after n answers (Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021; as quantile
tracking in Angelopoulos, Candès and Tibshirani, "Conformal PID control for time series prediction", NeurIPS 2023).
"""

from typing import Final

STEP: Final = 0.02
"""Of one tracker that sees all of the traffic. Of several that see a part each, every one takes as many times larger
steps as there are, and so moves as fast as one would that saw everything."""


class BudgetTracker:
    """The moving threshold of one worker. Its share and step may be changed while it goes on."""

    __slots__ = ("share", "step", "threshold")

    def __init__(self, share: float, threshold: float, *, trackers: int = 1) -> None:
        """Begin at a threshold, such as the quantile of earlier scores.

        Args:
            share: how much is wanted below the threshold, in [0, 1].
            threshold: on the scale of the scores.
            trackers: how many workers share the traffic.
        """
        self.share = share
        self.threshold = threshold
        self.step = STEP
        self.is_one_of(trackers)

    def is_one_of(self, trackers: int) -> None:
        """Set the step by how many workers there are now; at least this one."""
        self.step = STEP * max(1, trackers)

    def observe(self, score: float) -> bool:
        """Take in one score in [0, 1]; whether it was below the threshold that it met."""
        is_below = score < self.threshold
        # Beyond the scale nothing is gained: every score is on one side of the threshold already.
        moved = self.threshold + self.step * (self.share - is_below)
        self.threshold = min(1.0 + self.step, max(-self.step, moved))
        return is_below
