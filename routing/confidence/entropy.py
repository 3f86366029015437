"""How undecided a model was at one token, by the alternatives that came with it.

Servers return the likeliest few tokens only. The rest counts as one more, so that the entropy is a lower bound:

    H = - sum P ln P - r ln r        r = 1 - sum P

The sampled token may be missing among the alternatives, which makes it one more of them, and it may be there twice.
"""

from collections.abc import Sequence
from math import exp, isnan, log
from operator import mul
from typing import Final, Protocol, cast

MISSING_LOGPROB: Final = -9999.0
"""What OpenAI-compatible servers write where they have no number; it and anything below counts as missing."""


class Alternative(Protocol):
    """A token that could have come, and its natural log-probability."""

    @property
    def token(self) -> str: ...
    @property
    def logprob(self) -> float | None: ...


class TokenEntry(Alternative, Protocol):
    """The token that came, and what else could have come."""

    @property
    def top_logprobs(self) -> Sequence[Alternative] | None: ...


def entropies(entries: Sequence[TokenEntry]) -> list[float]:
    """The entropies in nats, at least 0, of those tokens that have alternatives."""
    found: list[float] = []
    for entry in entries:
        alternatives = entry.top_logprobs
        if not alternatives:
            continue
        if len(alternatives) == 2:
            # The token itself and another is what the gateway asks for and mostly gets.
            first, second = alternatives
            x, y = first.logprob, second.logprob
            if (
                x is not None
                and y is not None
                and x == entry.logprob != y
                and MISSING_LOGPROB < y <= 0.0
                and first.token == entry.token
            ):
                p, q = exp(x), exp(y)
                rest = 1.0 - p - q
                entropy = -p * x - q * y
                found.append(entropy - rest * log(rest) if rest > 0.0 else entropy)
                continue
        logprobs = _distinct(entry, alternatives)
        if logprobs:
            found.append(_entropy(logprobs))
    return found


def margin(entry: TokenEntry) -> float | None:
    """By how much the likeliest token's probability exceeds the next one's; `None` unless there are two to compare."""
    logprobs = _distinct(entry, entry.top_logprobs or ())
    if len(logprobs) < 2:
        return None
    likeliest, next_one = sorted(logprobs, reverse=True)[:2]
    return exp(likeliest) - exp(next_one)


def _distinct(entry: TokenEntry, alternatives: Sequence[Alternative]) -> list[float]:
    """The log-probabilities of the alternatives and of the sampled token, each once; empty without alternatives."""
    logprobs = [other.logprob for other in alternatives]
    own = entry.logprob
    if own in logprobs and len(set(logprobs)) == len(logprobs) and None not in logprobs:
        numbers = cast(list[float], logprobs)  # none of them is `None`
        is_plain = min(numbers) > MISSING_LOGPROB and max(numbers) <= 0.0 and not isnan(sum(numbers))
        if is_plain and alternatives[logprobs.index(own)].token == entry.token:
            return numbers
    known = dict[tuple[str, float], None]()
    for other in (*alternatives, entry):
        if (logprob := _usable(other.logprob)) is not None:
            known[other.token, logprob] = None
    has_any = any(_usable(logprob) is not None for logprob in logprobs)
    return [logprob for _, logprob in known] if has_any else []


def _usable(logprob: float | None) -> float | None:
    """What may be a log-probability. Rounding in an upstream may leave a probability a hair above 1."""
    if logprob is None or not MISSING_LOGPROB < logprob <= 1e-3:
        return None
    return min(logprob, 0.0)


def _entropy(logprobs: Sequence[float]) -> float:
    """
    >>> from math import log
    >>> round(_entropy([log(0.7), log(0.2), log(0.05), log(0.03)]), 6)
    0.904784
    """
    probabilities = [exp(logprob) for logprob in logprobs]
    rest = 1.0 - sum(probabilities)
    entropy: float = -sum(map(mul, probabilities, logprobs))
    return entropy - rest * log(rest) if rest > 0.0 else entropy
