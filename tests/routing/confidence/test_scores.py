from math import exp

import pytest

from routing.confidence.features import Features
from routing.confidence.scores import ScoreName, raw_score

FEATURES = Features(
    tokens=4, sum_logprob=-2.0, min_logprob=-1.5, q10_logprob=-1.25, q20_logprob=-1.0, first_logprob=-0.25
)


@pytest.mark.parametrize(
    ("name", "score"),
    [
        (ScoreName.FIRST_TOKEN, exp(-0.25)),
        (ScoreName.MEAN_LOGPROB, exp(-0.5)),
        (ScoreName.MIN_LOGPROB, exp(-1.5)),
    ],
)
def test_the_scores_of_features(name: ScoreName, score: float) -> None:
    assert raw_score(FEATURES, name) == pytest.approx(score, rel=1e-12)


def test_without_a_first_value_token_there_is_no_score_of_it() -> None:
    nothing = Features(tokens=1, sum_logprob=-0.5, min_logprob=-0.5, q10_logprob=-0.5, q20_logprob=-0.5)
    assert raw_score(nothing, ScoreName.FIRST_TOKEN) is None


def test_every_name_has_a_score() -> None:
    assert all(raw_score(FEATURES, name) is not None for name in ScoreName)
