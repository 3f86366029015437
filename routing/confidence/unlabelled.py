"""Confidence without labels: how an answer compares with earlier ones, or how sure its first value token was.

Answers of a word or a label are judged by the probability of that word. Of longer ones the mean log-probability tells
next to nothing, and the summed one tells something; on what scale differs from task to task, so its rank stands in.
"""

from collections.abc import Sequence
from statistics import median_low
from typing import Final

from routing.confidence.features import Features
from routing.confidence.refit import MIN_RECORDS
from routing.confidence.scorer import Scorer, ScorerKind

GRID: Final = 200
"""Quantiles at most: finer than that a rank of some thousand answers is not known anyway."""
SHORT_TOKENS: Final = 3
"""The median answer of a route whose answers are one word, a label or an entry of an enumeration."""


def is_short(answers: Sequence[Features]) -> bool:
    """Whether whole answers, at least one of them, are mostly of one word."""
    return median_low(sorted(answer.tokens for answer in answers)) <= SHORT_TOKENS


def scorer_without_labels(answers: Sequence[Features], *, is_short: bool) -> Scorer | None:
    """A scorer for answers such as these, whole or prefixes; `None` where they are too few to compare with."""
    if len(answers) < MIN_RECORDS:
        return None
    if is_short:
        return Scorer(kind=ScorerKind.FIRST_TOKEN)
    return Scorer(kind=ScorerKind.RANK, grid=grid_of([answer.sum_logprob for answer in answers]))


def grid_of(values: Sequence[float]) -> tuple[float, ...]:
    """Values, at least one, as at most 200 quantiles, ascending; at the middle of each of as many equal parts.

    >>> grid_of([4.0, 1.0, 3.0])
    (1.0, 3.0, 4.0)
    """
    ascending = sorted(values)
    n, size = len(ascending), min(len(ascending), GRID)
    return tuple(ascending[(2 * part + 1) * n // (2 * size)] for part in range(size))


def confidences(scorer: Scorer, answers: Sequence[Features]) -> tuple[float, ...]:
    """The confidence of each answer that gives a basis for it."""
    found = (scorer.confidence(answer) for answer in answers)
    return tuple(confidence for confidence in found if confidence is not None)
