from itertools import pairwise
from math import exp, fsum, inf, log, nan

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.features import Features, as_row
from routing.confidence.json_values import JsonValues
from routing.confidence.scores import ScoreName, raw_score
from routing.confidence.tally import Tally, Token, tally

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
    return None if features is None else raw_score(features, name)


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
    assert tally(answer) == Features(
        tokens=3,
        sum_logprob=-1.375,
        min_logprob=-0.75,
        q10_logprob=-0.7,  # a fifth of the way from -3/4 to -1/2
        q20_logprob=-0.65,
        first_logprob=-0.5,
    )


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


def entry(text: str, logprob: float | None, *others: tuple[str, float]) -> Token:
    return Token(text, logprob, [Token(*other) for other in ((text, logprob), *others)])


def summed(entries: list[Token], *, is_json: bool = False) -> Features | None:
    running = Tally(is_json=is_json)
    running.extend(entries)
    return running.features


JSON_ANSWER = [
    entry('{"', -0.9, ("[", -0.6)),
    entry("intent", -0.8, ("in", -0.7)),
    entry('":', -1.7, ('"', -0.3)),
    entry(' "', -1.9, (" '", -0.3)),
    entry("ref", log(0.7), ("acc", log(0.2))),
    entry("und", log(0.5), ("use", log(0.25))),
    entry('"}', -1.2, ('",', -0.4)),
    entry("<|im_end|>", -2.2),
]


def test_of_an_answer_that_is_to_be_json_only_the_value_tokens_count() -> None:
    features = summed(JSON_ANSWER, is_json=True)
    assert features is not None
    assert features == summed(JSON_ANSWER[4:6])
    assert features.tokens == 2
    assert features.sum_logprob == pytest.approx(log(0.35))
    assert (features.first_logprob, features.min_logprob) == (log(0.7), log(0.5))
    assert features.first_margin == pytest.approx(0.5)
    first, second = 0.801819, 1.039721  # of .7, .2 and .1; of a half, a quarter and a quarter
    assert features.mean_entropy == pytest.approx((first + second) / 2, abs=1e-6)
    assert features.max_entropy == pytest.approx(second, abs=1e-6)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([("{", -0.5), ("}", -0.5)], id="an empty object"),
        pytest.param([('{"', -0.5), ("a", -0.5), ('":', -0.5), (' ""', -0.5), ("}", -0.5)], id="an empty string"),
        pytest.param([("```", -0.5), ("json\n", -0.5), ("{", -0.5)], id="no JSON"),
    ],
)
def test_a_json_answer_without_a_value_has_no_confidence(answer: list[tuple[str, float]]) -> None:
    assert summed([Token(*pair) for pair in answer], is_json=True) is None


def test_values_that_are_certain_are_believed_when_the_structure_was_not() -> None:
    features = summed([entry('{"a":', -0.5), entry(" true", 0.0), entry("}", -0.5)], is_json=True)
    assert features is not None
    assert features.sum_logprob == 0.0


def test_a_broken_structural_token_makes_confidence_unavailable() -> None:
    assert summed([entry('{"a":', -9999.0), entry(" true", -0.5)], is_json=True) is None


def test_without_alternatives_there_is_neither_entropy_nor_margin() -> None:
    features = summed([Token("a", -0.5), Token("b", -0.25, [])])
    assert features is not None
    assert (features.first_margin, features.mean_entropy, features.max_entropy) == (None, None, None)


def test_tokens_without_alternatives_have_no_part_in_the_mean_entropy() -> None:
    half = entry("a", log(0.5), ("b", log(0.5)))
    features = summed([half, Token("c", -3.0), half])
    assert features is not None
    assert features.mean_entropy == pytest.approx(log(2))


def test_a_token_without_a_number_makes_confidence_unavailable() -> None:
    assert summed([Token("a", -0.5), Token("b", None)]) is None


@pytest.mark.parametrize(
    ("tokens", "counted"),
    [
        (["<think>", "\n", "Hm", "</think>", "\n", "Yes"], ["\n", "Yes"]),
        (["\n", "<think>", "Hm", "</think>\n\n", "Yes"], ["Yes"]),
        (["<think>", "Hm"], []),
        (["Yes", "<think>", "Hm", "</think>"], ["Yes", "<think>", "Hm", "</think>"]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 10])
def test_reasoning_in_front_of_the_text_does_not_count(tokens: list[str], counted: list[str], size: int) -> None:
    entries = [entry(text, -1.0 / (at + 1)) for at, text in enumerate(tokens)]
    running = Tally()
    for start in range(0, len(entries), size):
        running.extend(entries[start : start + size])
    expected = summed([each for each in entries[-len(counted) :] if counted])
    assert running.features == expected


def test_an_answer_given_up_stays_without_confidence() -> None:
    running = Tally()
    running.add("a", -0.5)
    running.give_up()
    running.add("b", -0.5)
    assert running.features is None


ENTRIES = st.lists(
    st.builds(
        entry,
        st.sampled_from(['{"', "intent", '":', ' "', "refund", '",', '"}', " ", "x", "7", "[", "]", "<think>"]),
        st.floats(-50, 0) | st.sampled_from([-9999.0, 0.0]),
        st.tuples(st.sampled_from("xyz"), st.floats(-50, 0)),
    ),
    max_size=20,
)


@given(entries=ENTRIES, cuts=st.lists(st.integers(0, 20), max_size=4), is_json=st.booleans())
def test_an_answer_in_pieces_is_the_answer(entries: list[Token], cuts: list[int], is_json: bool) -> None:
    running = Tally(is_json=is_json)
    places = sorted({0, len(entries), *(min(cut, len(entries)) for cut in cuts)})
    for start, end in pairwise(places):
        running.extend(entries[start:end])
        assert same(running.features, summed(entries[:end], is_json=is_json))


def same(one: Features | None, other: Features | None) -> bool:
    """Equal but for the order of a sum."""
    if one is None or other is None:
        return one is other
    return all(
        mine == theirs if mine is None or theirs is None else mine == pytest.approx(theirs, rel=1e-9, abs=1e-12)
        for mine, theirs in zip(as_row(one), as_row(other), strict=True)
    )


@given(entries=ENTRIES)
def test_with_json_asked_no_token_counts_that_touches_no_value(entries: list[Token]) -> None:
    values = JsonValues()
    kept = [each for each in entries if values.touches(each.token)]
    features = summed(entries, is_json=True)
    if features is not None:
        assert features.tokens == len(kept)
        assert features.min_logprob == min(each.logprob or 0.0 for each in kept)


@given(logprobs=st.lists(st.floats(-50, -1e-6), min_size=1, max_size=60))
def test_the_quantiles_are_numpys(logprobs: list[float]) -> None:
    features = summed([Token("a", logprob) for logprob in logprobs])
    assert features is not None
    expected = numpy.quantile(logprobs, [0.1, 0.2])
    assert [features.q10_logprob, features.q20_logprob] == pytest.approx(list(expected), rel=1e-12)


@given(answer=st.lists(st.tuples(TOKENS, LOGPROBS), min_size=1, max_size=200))
def test_every_score_lies_between_0_and_1_and_the_least_below_the_mean(answer: list[tuple[str, float]]) -> None:
    features = tally(answer)
    if features is None:
        assert not any(logprob for _, logprob in answer) or not any(token.strip() for token, _ in answer)
        return
    assert features.tokens == len(answer)
    assert features.sum_logprob == pytest.approx(fsum(logprob for _, logprob in answer), rel=1e-12)
    least, mean = raw_score(features, ScoreName.MIN_LOGPROB), raw_score(features, ScoreName.MEAN_LOGPROB)
    first = raw_score(features, ScoreName.FIRST_TOKEN)
    assert least is not None
    assert mean is not None
    assert 0.0 <= least <= mean * (1 + 1e-12) <= 1.0 + 1e-12
    assert first is None or least <= first <= 1.0
