"""The three scores of an answer, and how well a score tells right answers from wrong ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOOTSTRAPS = 2000


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer and its natural log-probability."""

    text: str
    logprob: float


def first_value_token(tokens: Sequence[Token]) -> Token | None:
    """The first token that says something: the start of the first value of a JSON object, else of the first word.

    White space, punctuation, JSON structure and the first key are skipped. None where there is no such token.

    >>> first_value_token([Token('{"', -0.1), Token('intent', 0), Token('":', 0), Token(' "', 0), Token('ref', -0.7)])
    Token(text='ref', logprob=-0.7)
    """
    text = "".join(t.text for t in tokens)
    start = 0
    if text.lstrip().startswith("{"):
        start = text.find('":') + 2 if '":' in text else 0
    at = next((i for i in range(start, len(text)) if text[i].isalnum()), None)
    if at is None:
        return None
    end = 0
    for token in tokens:
        end += len(token.text)
        if at < end:
            return token
    return None


def scores(tokens: Sequence[Token]) -> dict[str, float]:
    """Each score by name, in [0, 1], higher is surer; a score that the answer does not have is 0."""
    if not tokens:
        return {"first_token": 0.0, "mean_logprob": 0.0, "min_logprob": 0.0}
    logprobs = [t.logprob for t in tokens]
    first = first_value_token(tokens)
    return {
        "first_token": math.exp(first.logprob) if first else 0.0,
        "mean_logprob": math.exp(sum(logprobs) / len(logprobs)),
        "min_logprob": math.exp(min(logprobs)),
    }


def auroc(score: np.ndarray, correct: np.ndarray) -> float:
    """The chance that a right answer scores above a wrong one, ties counting half (Mann and Whitney 1947).

    NaN where all answers are right or all are wrong.

    >>> auroc(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    right, wrong = np.sort(score[correct]), score[~correct]
    if len(right) == 0 or len(wrong) == 0:
        return math.nan
    above = len(right) - np.searchsorted(right, wrong, side="right")
    equal = np.searchsorted(right, wrong, side="right") - np.searchsorted(right, wrong, side="left")
    return float((above + equal / 2).sum() / (len(right) * len(wrong)))


def auroc_interval(score: np.ndarray, correct: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """A 95 % interval of the AUROC by the percentile bootstrap over answers (Efron and Tibshirani 1993, chapter 13)."""
    chance = np.random.default_rng(seed)
    drawn = (chance.integers(0, len(score), len(score)) for _ in range(BOOTSTRAPS))
    values = np.array([auroc(score[i], correct[i]) for i in drawn])
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
