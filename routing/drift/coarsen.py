"""From many fixed bins to a few groups that are about equally full in the reference."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

GROUPS: Final = 10
Ints = NDArray[np.int64]


def groups_of(reference: ArrayLike, how_many: int = GROUPS) -> Ints:
    """Which group each bin belongs to, from counts of shape (k,): neighbours together, ascending from 0.

    A bin with more than its part is a group alone. What is empty in the reference joins the group below it, but at both
    ends there is a group of its own for what lies outside of all that the reference had: a shift must not hide there.
    """
    counts = np.asarray(reference, dtype=np.float64)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return np.zeros(len(counts), dtype=np.int64)
    part = counts.sum() / how_many
    groups = np.zeros(len(counts), dtype=np.int64)
    group, mass = 0, 0.0
    first, last = int(filled[0]), int(filled[-1])
    if first > 0:
        group = 1
    for at in range(first, last + 1):
        if mass > 0 and mass + counts[at] / 2 > part:
            group, mass = group + 1, 0.0
        groups[at] = group
        mass += counts[at]
    groups[last + 1 :] = group + 1
    return groups


def grouped(counts: ArrayLike, groups: Ints) -> NDArray[np.float64]:
    """Counts (..., k) added up by group."""
    values = np.asarray(counts, dtype=np.float64)
    result = np.zeros((*values.shape[:-1], int(groups.max(initial=0)) + 1))
    for group in range(result.shape[-1]):
        result[..., group] = values[..., groups == group].sum(axis=-1)
    return result
