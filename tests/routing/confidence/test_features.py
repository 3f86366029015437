from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.confidence.features import FEATURE_NAMES, Features, as_row, from_row, probability, vector

NUMBERS = st.floats(-1e4, 0)
FEATURES = st.builds(
    Features,
    tokens=st.integers(1, 5000),
    sum_logprob=NUMBERS,
    min_logprob=NUMBERS,
    q10_logprob=NUMBERS,
    q20_logprob=NUMBERS,
    first_logprob=st.none() | NUMBERS,
    first_margin=st.none() | st.floats(0, 1),
    mean_entropy=st.none() | st.floats(0, 10),
    max_entropy=st.none() | st.floats(0, 10),
    is_cut=st.booleans(),
    is_valid=st.none() | st.booleans(),
)


def test_the_vector_has_a_number_a_name() -> None:
    features = Features(
        tokens=4,
        sum_logprob=-2.0,
        min_logprob=-1.5,
        q10_logprob=-1.25,
        q20_logprob=-1.0,
        first_margin=0.25,
        max_entropy=0.75,
        is_cut=True,
    )
    assert dict(zip(FEATURE_NAMES, vector(features), strict=True)) == {
        "mean_logprob": -0.5,
        "sum_logprob": -2.0,
        "min_logprob": -1.5,
        "q10_logprob": -1.25,
        "q20_logprob": -1.0,
        "first_logprob": None,
        "first_margin": 0.25,
        "mean_entropy": None,
        "max_entropy": 0.75,
        "log_tokens": pytest.approx(log(5)),
        "is_cut": 1.0,
    }


@given(features=FEATURES)
def test_what_is_kept_in_a_record_is_enough_to_have_the_features_again(features: Features) -> None:
    assert from_row(as_row(features)) == features


@given(features=FEATURES, length=st.integers(5, 11))
def test_a_row_from_before_there_were_some_fields_lacks_them(features: Features, length: int) -> None:
    old = from_row(as_row(features)[:length])
    kept = len(as_row(old)[:length])
    assert as_row(old)[:kept] == as_row(features)[:kept]
    assert all(not value for value in as_row(old)[kept:])


@pytest.mark.parametrize(("logprob", "expected"), [(None, None), (0.0, 1.0), (-1.0, exp(-1.0)), (-9000.0, 0.0)])
def test_the_probability_of_a_log_probability(logprob: float | None, expected: float | None) -> None:
    assert probability(logprob) == expected
