"""The raw scores of an answer (all in [0, 1], higher is surer).

first_token     probability of the first value token
mean_logprob    exp of the mean log-probability, the inverse of the perplexity
min_logprob     exp of the least log-probability
"""

from enum import StrEnum
from math import exp

from routing.confidence.features import Features


class ScoreName(StrEnum):
    """The scores that this page defines."""

    FIRST_TOKEN = "first_token"
    MEAN_LOGPROB = "mean_logprob"
    MIN_LOGPROB = "min_logprob"


def raw_score(features: Features, name: ScoreName) -> float | None:
    """One score, or `None` where the answer gives no basis for it."""
    if name is ScoreName.MEAN_LOGPROB:
        return exp(features.sum_logprob / features.tokens)
    if name is ScoreName.MIN_LOGPROB:
        return exp(features.min_logprob)
    return None if features.first_logprob is None else exp(features.first_logprob)
