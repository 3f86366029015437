from math import exp, fsum, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.features import Features
from routing.confidence.scores import ScoreName, raw_score
from routing.confidence.tally import Tally, tally

ANSWER = [
    ('{"', -0.001),
    ("intent", -0.0005),
    ('":', -0.0001),
    (' "', -0.002),
    ("ref", -0.7),
    ("und", -0.05),
    ('"}', -0.0004),
]


def score(answer: list[tuple[str, float]], name: ScoreName) -> float | None:
    features = tally(answer)
    return None if features is None else features.score(name)


@pytest.mark.parametrize(
    ("answer", "first", "mean", "least"),
    [
        # The first value token is the least sure of all; the mean of the seven is -0.754 / 7.
        pytest.param(ANSWER, 0.4965853037914095, 0.8978840980993371, 0.4965853037914095, id="a JSON answer"),
        # ln 0.5 + ln 0.25 + ln 0.125: the geometric mean of a half, a quarter and an eighth is a quarter
        pytest.param(
            [("a", -0.6931471805599453), ("b", -1.3862943611198906), ("c", -2.0794415416798357)],
            0.5,
            0.25,
            0.125,
            id="halves",
        ),
        pytest.param([("yes", -0.2231435513142097)], 0.8, 0.8, 0.8, id="one token"),
        pytest.param([("a", -800.0), ("b", 0.0)], 0.0, exp(-400.0), 0.0, id="a probability too small for a float"),
    ],
)
def test_the_three_scores(answer: list[tuple[str, float]], first: float, mean: float, least: float) -> None:
    assert score(answer, ScoreName.FIRST_TOKEN) == pytest.approx(first, rel=1e-12)
    assert score(answer, ScoreName.MEAN_LOGPROB) == pytest.approx(mean, rel=1e-12)
    assert score(answer, ScoreName.MIN_LOGPROB) == pytest.approx(least, rel=1e-12)


def test_the_features_are_enough_to_score_again() -> None:
    # Eighths, since their sum is exact in binary.
    answer = [("[", -0.125), ("7", -0.5), ("1", -0.75)]
    assert tally(answer) == Features(tokens=3, sum_logprob=-1.375, min_logprob=-0.75, first_logprob=-0.5)


def test_an_answer_without_a_value_has_no_first_token_but_the_other_scores() -> None:
    answer = [("{", -0.5), ("}", -0.5)]
    assert score(answer, ScoreName.FIRST_TOKEN) is None
    assert score(answer, ScoreName.MEAN_LOGPROB) == exp(-0.5)
    assert score(answer, ScoreName.MIN_LOGPROB) == exp(-0.5)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="no logprobs at all"),
        pytest.param([("a", 0.0), ("b", 0.0)], id="all zero"),
        pytest.param([("a", 0.0), ("b", -0.0), ("c", 0.0)], id="all zero, one of them negative zero"),
        pytest.param([("a", 1e-6), ("b", 0.0)], id="all zero but for rounding"),
        pytest.param([("a", -0.1), ("b", -9999.0)], id="one that stands for missing"),
        pytest.param([("a", -0.1), ("b", -1e6)], id="one below what stands for missing"),
        pytest.param([("a", -0.1), ("b", -inf)], id="one of an impossible token"),
        pytest.param([("a", -0.1), ("b", nan)], id="one that is no number"),
        pytest.param([("a", inf), ("b", -0.1)], id="one that is infinite"),
        pytest.param([("a", -0.1), ("b", 0.5)], id="one that is a probability, not its logarithm"),
        pytest.param([("a", -9999.0)], id="nothing but a missing one"),
    ],
)
def test_no_confidence_is_available_and_above_all_not_1(answer: list[tuple[str, float]]) -> None:
    assert tally(answer) is None


def test_a_logprob_that_rounding_left_above_zero_counts_as_zero() -> None:
    assert tally([("a", 2e-7), ("b", -0.5)]) == tally([("a", 0.0), ("b", -0.5)])


def test_one_logprob_below_zero_is_enough_to_believe_the_zeros() -> None:
    assert score([("a", 0.0), ("b", 0.0), ("c", -1e-5)], ScoreName.MIN_LOGPROB) == exp(-1e-5)


LOGPROBS = st.floats(-50, 0)
TOKENS = st.sampled_from(['{"', "intent", '":', ' "', "refund", '"}', " ", "x", "7"])
ANSWERS = st.lists(st.tuples(TOKENS, LOGPROBS | st.sampled_from([-9999.0, nan, 0.0, 1e-9])), max_size=30)


@given(answer=ANSWERS)
def test_after_every_token_the_features_are_those_of_the_answer_so_far(answer: list[tuple[str, float]]) -> None:
    running = Tally()
    for count, (token, logprob) in enumerate(answer, start=1):
        running.add(token, logprob)
        assert running.features == tally(answer[:count])


@given(answer=st.lists(st.tuples(TOKENS, LOGPROBS), min_size=1, max_size=200))
def test_every_score_lies_between_0_and_1_and_the_least_below_the_mean(answer: list[tuple[str, float]]) -> None:
    features = tally(answer)
    if features is None:
        assert not any(logprob for _, logprob in answer)
        return
    assert features.tokens == len(answer)
    assert features.sum_logprob == pytest.approx(fsum(logprob for _, logprob in answer), rel=1e-12)
    least, mean = features.score(ScoreName.MIN_LOGPROB), features.score(ScoreName.MEAN_LOGPROB)
    first = features.score(ScoreName.FIRST_TOKEN)
    assert least is not None
    assert mean is not None
    assert 0.0 <= least <= mean * (1 + 1e-12) <= 1.0 + 1e-12
    assert first is None or least <= first <= 1.0
