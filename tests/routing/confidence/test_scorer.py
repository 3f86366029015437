from dataclasses import replace
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.features import FEATURE_NAMES, Features, vector
from routing.confidence.scorer import Calibration, Scorer, ScorerKind

FEATURES = Features(
    tokens=4,
    sum_logprob=-2.0,
    min_logprob=-1.0,
    q10_logprob=-0.9,
    q20_logprob=-0.8,
    first_logprob=-0.25,
    first_margin=0.5,
    mean_entropy=0.3,
    max_entropy=0.9,
)
ZEROS = (0.0,) * len(FEATURE_NAMES)


def weights(**named: float) -> tuple[float, ...]:
    return tuple(named.get(name, 0.0) for name in FEATURE_NAMES)


def logistic(intercept: float = 0.0, means: tuple[float, ...] = ZEROS, **named: float) -> Scorer:
    return Scorer(kind=ScorerKind.LOGISTIC, intercept=intercept, coefficients=weights(**named), means=means)


def test_a_logistic_scorer_is_the_logistic_function_of_weighted_features() -> None:
    scorer = logistic(0.3, mean_logprob=2.0, first_margin=1.5, log_tokens=-0.1)
    logit = 0.3 + 2.0 * -0.5 + 1.5 * 0.5 - 0.1 * log(5)
    assert scorer.confidence(FEATURES) == pytest.approx(1 / (1 + exp(-logit)))


def test_a_feature_that_is_missing_counts_as_its_mean() -> None:
    scorer = logistic(means=weights(first_margin=0.4), first_margin=2.0)
    assert scorer.confidence(replace(FEATURES, first_margin=None)) == pytest.approx(1 / (1 + exp(-0.8)))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 0))
def test_whatever_the_numbers_confidence_is_a_probability(weight: float, total: float) -> None:
    confidence = logistic(weight, sum_logprob=weight).confidence(replace(FEATURES, sum_logprob=total))
    assert confidence is not None
    assert 0 <= confidence <= 1


def test_a_rank_is_the_share_of_earlier_answers_that_were_less_sure() -> None:
    scorer = Scorer(kind=ScorerKind.RANK, grid=(-9.0, -4.0, -2.0, -0.5))
    assert scorer.confidence(FEATURES) == 0.5
    assert scorer.confidence(replace(FEATURES, sum_logprob=-10.0)) == 0.0
    assert scorer.confidence(replace(FEATURES, sum_logprob=-0.1)) == 1.0


def test_a_first_token_is_its_probability_and_nothing_where_there_is_none() -> None:
    scorer = Scorer(kind=ScorerKind.FIRST_TOKEN)
    assert scorer.confidence(FEATURES) == pytest.approx(exp(-0.25))
    assert scorer.confidence(replace(FEATURES, first_logprob=None)) is None


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"kind": ScorerKind.LOGISTIC}, id="a logistic regression without coefficients"),
        pytest.param({"kind": ScorerKind.LOGISTIC, "coefficients": (1.0,), "means": (0.0,)}, id="with too few"),
        pytest.param({"kind": ScorerKind.RANK}, id="a rank among nobody"),
    ],
)
def test_numbers_that_do_not_go_with_the_kind_are_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Scorer(**broken)  # type: ignore[arg-type]


def test_only_a_logistic_calibration_claims_to_be_a_probability() -> None:
    rank = Scorer(kind=ScorerKind.RANK, grid=(-1.0,))
    assert Calibration(version="v.1", labels=200, whole=logistic()).is_probability
    assert not Calibration(version="v.2", labels=0, whole=rank, prefix=rank).is_probability


def test_the_order_of_features_is_that_of_their_names() -> None:
    assert dict(zip(FEATURE_NAMES, vector(FEATURES), strict=True)) == {
        "mean_logprob": -0.5,
        "sum_logprob": -2.0,
        "min_logprob": -1.0,
        "q10_logprob": -0.9,
        "q20_logprob": -0.8,
        "first_logprob": -0.25,
        "first_margin": 0.5,
        "mean_entropy": 0.3,
        "max_entropy": 0.9,
        "log_tokens": pytest.approx(log(5)),
        "is_cut": 0.0,
    }


def test_starts_are_judged_as_long_as_as_much_is_held_as_when_the_scorer_was_fitted() -> None:
    made = Calibration(version="v.1", labels=200, whole=logistic(), prefix=logistic(), prefix_tokens=16)
    assert [made.judges_prefixes_of(tokens) for tokens in (16, 32, None)] == [True, False, False]
    assert not replace(made, prefix=None).judges_prefixes_of(16)
