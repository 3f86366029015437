"""Words that are stored in records, shown in headers and scraped as labels: to rename one breaks who reads them."""

from enum import StrEnum

import pytest

from routing.answer.hold import HoldState
from routing.confidence.gate import ConfidenceMode
from routing.confidence.scores import ScoreName
from routing.resilience.breaker import BreakerState
from routing.words import Outcome, Purpose, Reason, Result, TokenKind


@pytest.mark.parametrize(
    ("closed_set", "words"),
    [
        (Reason, "error timeout invalid low_confidence unavailable"),
        (Outcome, "served fallback degraded rejected failed interrupted client_closed"),
        (Result, "completed doubted invalid error timeout unavailable rejected cancelled"),
        (Purpose, "serve draft fallback shadow audit judge probe"),
        (TokenKind, "input cached_input cache_write output reasoning"),
        (ScoreName, "first_token mean_logprob min_logprob"),
        (BreakerState, "closed half_open open"),
        (HoldState, "holding released abandoned"),
    ],
)
def test_a_closed_set_has_just_these_words(closed_set: type[StrEnum], words: str) -> None:
    assert [str(word) for word in closed_set] == words.split()


def test_the_modes_of_confidence_keep_their_names() -> None:
    # Modes with guarantees come later; these stay.
    assert {"none", "observe", "threshold"} <= set(ConfidenceMode)
