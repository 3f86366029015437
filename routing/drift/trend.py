"""By how many standard deviations a window's mean is off the means of the reference's chunks."""

from math import sqrt
from typing import Final, NamedTuple

import numpy as np

from routing.drift.judge import LEAST_ROWS
from routing.drift.reference import Reference
from routing.drift.summary import MICRO, Summary, mean_of

LEAST_CHUNKS: Final = 5


class Off(NamedTuple):
    """A window's mean, against the reference's."""

    z: float
    """In standard deviations of a window's mean."""
    unsure: float
    """Standard error of the reference's own mean, in the same unit: all windows are off by so much alike."""


def z_of(name: str, reference: Reference, window: Summary) -> Off | None:
    """The z-score of a number's mean; `None` where it cannot be told.

    Chunks and windows are of different sizes. What a mean spreads has a part that shrinks with the size (requests
    differ) and one that does not (times differ); both are estimated from the chunks.
    """
    mean, n = mean_of(window, name), sum(window.counts.get(name, ()))
    rows = [chunk for chunk in reference.chunks if sum(chunk.counts.get(name, ())) > 1]
    if mean is None or n < LEAST_ROWS or len(rows) < LEAST_CHUNKS:
        return None
    sizes = np.array([sum(chunk.counts[name]) for chunk in rows], dtype=np.float64)
    means = np.array([chunk.sums[name][0] for chunk in rows], dtype=np.float64) / MICRO / sizes
    whole = mean_of(reference.total, name)
    if whole is None:
        return None
    squares = reference.total.sums[name][1] / MICRO / sizes.sum()
    within = max(float(squares) - whole * whole, 0.0)
    between = max(float(means.var(ddof=1)) - within / float(sizes.mean()), 0.0)
    sd = sqrt(within / n + between)
    if sd == 0:
        return None
    return Off(z=(mean - whole) / sd, unsure=sqrt(within / float(sizes.sum()) + between / len(rows)) / sd)
