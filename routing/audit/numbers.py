"""Answers that end in a number."""

import re
from math import isfinite
from typing import Final

from routing.audit.verdict import Comparison, undefined, verdict

_SEPARATORS: Final = ",'\u2019\u00a0\u202f\u2009"
_NUMBER: Final = re.compile(
    rf"(?<![^\W_])[-+\u2212]?(?:(?:\d{{1,3}}(?:[{_SEPARATORS}]\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
)
"""Thousands may be apart, decimals follow a point. Digits that belong to a word, such as in `v2`, are no number."""
_CLEANED: Final = str.maketrans({"\u2212": "-", **dict.fromkeys(_SEPARATORS)})


def agree_as_numbers(arm: str, large: str, tolerance: float) -> Comparison:
    """Compare the last number in each: they agree when they differ by at most `tolerance` of the greater magnitude.

    Without a number in it, the arm's answer disagrees; the large model's leaves nothing to compare with.

    >>> agree_as_numbers("So it is 1,250.", "42 + 1208 = 1250", 0.0).agrees
    True
    """
    expected, found = last_number(large), last_number(arm)
    if expected is None:
        return undefined("there is no number in the large model's answer")
    if found is None:
        return Comparison(agrees=False, detail="there is no number in the arm's answer")
    return verdict(found == expected or abs(found - expected) <= tolerance * max(abs(found), abs(expected)))


def last_number(text: str) -> float | None:
    """The last number in a text, if there is one that a float can hold."""
    numbers = [float(found.translate(_CLEANED)) for found in _NUMBER.findall(text)]
    return next((number for number in reversed(numbers) if isfinite(number)), None)
