"""A score turned into confidence: pure arithmetic on features, quick enough for every answer.

logistic      P(correct) by a logistic regression on the features, fitted from labels
rank          the share of earlier answers whose summed log-probability was lower; needs no labels, is no probability
first_token   the probability of the first value token, for answers that are one word or label
"""

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from math import exp

from routing.confidence.features import FEATURE_NAMES, Features, vector


class ScorerKind(StrEnum):
    """How confidence is made."""

    LOGISTIC = "logistic"
    RANK = "rank"
    FIRST_TOKEN = "first_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One way from features to confidence, with its numbers. Made off the path, carried by the snapshot."""

    kind: ScorerKind
    intercept: float = 0.0
    """Of the logistic regression, for features as they are, not standardised."""
    coefficients: tuple[float, ...] = ()
    """One a name of `FEATURE_NAMES`, for features as they are."""
    means: tuple[float, ...] = ()
    """What stands in for a feature that is missing; one a name of `FEATURE_NAMES`."""
    grid: tuple[float, ...] = ()
    """Ascending summed log-probabilities of earlier answers, for the rank."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for numbers that do not go with the kind."""
        if self.kind is ScorerKind.LOGISTIC and not len(self.coefficients) == len(self.means) == len(FEATURE_NAMES):
            raise ValueError(f"a logistic scorer needs {len(FEATURE_NAMES)} coefficients and means")
        if self.kind is ScorerKind.RANK and not self.grid:
            raise ValueError("a rank needs earlier answers to compare with")

    def confidence(self, features: Features) -> float | None:
        """In [0, 1], higher is surer; `None` where the answer gives no basis for it."""
        if self.kind is ScorerKind.LOGISTIC:
            return self._probability(features)
        if self.kind is ScorerKind.RANK:
            return bisect_left(self.grid, features.sum_logprob) / len(self.grid)
        return None if features.first_logprob is None else exp(features.first_logprob)

    def _probability(self, features: Features) -> float:
        logit = self.intercept
        for value, coefficient, mean in zip(vector(features), self.coefficients, self.means, strict=True):
            logit += coefficient * (mean if value is None else value)
        return 1 / (1 + exp(-logit)) if logit > -700.0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How one model's answers on one route become confidence. Replaced whole, never changed."""

    version: str
    """Names it in headers and records, such as `support-v2.3`; unique within a route."""
    labels: int
    """How many labels it was fitted from; 0 for one that needs none."""
    whole: Scorer
    prefix: Scorer | None = None
    """For the held start of streams; `None` where none could be fitted, so that prefixes are not judged."""
    prefix_tokens: int | None = None
    """How much was held of the streams that it was fitted from: of longer or shorter starts it says nothing."""

    def judges_prefixes_of(self, tokens: int | None) -> bool:
        """Whether the start of a stream can be judged when so many tokens of it are held."""
        return self.prefix is not None and self.prefix_tokens in (None, tokens)

    @property
    def is_probability(self) -> bool:
        """Whether confidence estimates how often answers are right, rather than only ordering them."""
        return self.whole.kind is ScorerKind.LOGISTIC
