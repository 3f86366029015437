"""Several questions at once."""

from math import log

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from routing.experiment.multiplicity import e_bh, holm

p_values = st.lists(st.floats(0, 1), max_size=12)


def test_the_adjusted_p_values_of_an_example() -> None:
    # As statsmodels' multipletests(method="holm") has it.
    assert np.allclose(holm([0.01, 0.02, 0.03, 0.005, 0.9]), [0.04, 0.06, 0.06, 0.025, 0.9])


@given(p_values, st.floats(0.001, 0.5))
def test_what_is_adjusted_decides_as_stepping_down_does(found: list[float], alpha: float) -> None:
    answered = set()
    for rank, at in enumerate(sorted(range(len(found)), key=lambda at: found[at])):
        if found[at] * (len(found) - rank) >= alpha:
            break
        answered.add(at)
    assert {at for at, p in enumerate(holm(found)) if p < alpha} == answered


@given(p_values)
def test_an_adjusted_p_value_is_none_the_less_one(found: list[float]) -> None:
    assert all(p <= adjusted <= 1 for p, adjusted in zip(found, holm(found), strict=True))


def test_a_single_question_stays_as_it_is() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_many_weak_answers_support_each_other() -> None:
    # 40 / (0.1 * 10) is 4 x 10: ten of forty at 40 each will do, nine will not.
    assert sum(e_bh([log(40)] * 10 + [0.0] * 30, 0.1)) == 10
    assert sum(e_bh([log(40)] * 9 + [0.0] * 31, 0.1)) == 0
    assert e_bh([0.0, log(1000), 0.0], 0.1) == [False, True, False]
    assert e_bh([], 0.1) == []


def test_the_false_share_is_bounded_although_the_questions_depend_on_each_other() -> None:
    chance = np.random.default_rng(2)
    false_shares = []
    for _ in range(1000):
        # Likelihood ratios of a shift, all from one common draw and one of their own; 5 of 30 are true.
        noise = 0.7 * chance.normal() + np.sqrt(1 - 0.7**2) * chance.normal(size=30)
        evidence = 3.5 * (noise + 4.5 * (np.arange(30) < 5)) - 3.5**2 / 2
        answered = np.array(e_bh([float(one) for one in evidence], 0.1))
        false_shares.append(answered[5:].sum() / max(1, answered.sum()))
    assert np.mean(false_shares) <= 0.1
    assert any(false_shares)
