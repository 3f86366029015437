"""Answers drawn from a seed, for tests of drift."""

import numpy as np

from routing.drift.features import Side
from routing.drift.reference import Reference
from routing.drift.summary import Gatherer, Summary


def answers(n: int, seed: int, *, invalid: float = 0.02, confidence: float = 0.9, fallback: float = 0.1) -> Summary:
    """What `n` answers come to."""
    chance = np.random.default_rng(seed)
    gatherer = Gatherer()
    for _ in range(n):
        gatherer.see()
        gatherer.add_output(
            {"confidence": float(chance.beta(20 * confidence, 20 * (1 - confidence)))},
            {
                "invalid": "yes" if chance.random() < invalid else "no",
                "fallback": "yes" if chance.random() < fallback else "no",
                "finish_reason": "stop",
            },
        )
    return gatherer.take()


def answers_reference(chunks: int = 25, size: int = 200) -> Reference:
    """A reference of such answers."""
    return Reference(Side.OUTPUT, [answers(size, 1000 + at) for at in range(chunks)])
