"""Several questions at once: how sure one must be of each so that the answers together can be trusted."""

from collections.abc import Sequence
from math import log


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values for a few questions, each adjusted so that any false answer at all is as rare as alpha says.

    Holm (Scandinavian Journal of Statistics 1979); valid under any dependence, and, with always-valid p-values, at any
    time.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    adjusted = [1.0] * len(p_values)
    greatest = 0.0
    for rank, at in enumerate(order):
        greatest = max(greatest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = greatest
    return adjusted


def e_bh(log_e_values: Sequence[float], alpha: float) -> list[bool]:
    """Of many questions, those answered so that a share of at most alpha of the answers is false on average.

    e-BH (Wang and Ramdas, JRSS B 2022): the k greatest, for the largest k whose k-th is at least K / (alpha k); valid
    under any dependence and under optional stopping.

    Args:
        log_e_values: logarithms of the evidence in each of K questions.
        alpha: the share, in (0, 1).

    >>> from math import log
    >>> e_bh([log(100), log(31), log(2)], 0.1)
    [True, True, False]
    """
    order = sorted(range(len(log_e_values)), key=lambda at: -log_e_values[at])
    needed = [log(len(order)) - log(alpha) - log(rank) for rank in range(1, len(order) + 1)]
    enough = [rank for rank, at in enumerate(order, start=1) if log_e_values[at] >= needed[rank - 1] - 1e-12]
    answered = set(order[: max(enough, default=0)])
    return [at in answered for at in range(len(order))]
