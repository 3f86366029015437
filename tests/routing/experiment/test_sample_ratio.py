"""Whether the arms got the units that they should have."""

from math import inf

import pytest
from scipy.stats import chisquare

from routing.experiment.sample_ratio import Counted, check_sample_ratio, log_bayes_factor


@pytest.mark.parametrize(
    ("units", "evidence"), [((500, 550), 0.06321), ((5000, 5200), 0.63860), ((4800, 5200), 3.65388)]
)
def test_the_evidence_at_equal_shares(units: tuple[int, int], evidence: float) -> None:
    assert round(log_bayes_factor(Counted(units, (1, 1))), 5) == evidence


def test_a_famous_case_is_found() -> None:
    found = check_sample_ratio([Counted((821_588, 815_482), (50, 50))])
    assert found.chi_square_p_value == pytest.approx(1.8219e-6, rel=1e-4)
    assert found.p_value < 0.001
    assert found.is_off


def test_shares_are_on_any_scale() -> None:
    assert log_bayes_factor(Counted((810, 190), (80, 20))) == pytest.approx(
        log_bayes_factor(Counted((810, 190), (0.8, 0.2)))
    )


def test_as_many_as_were_due_are_no_evidence() -> None:
    found = check_sample_ratio([Counted((7000, 2000, 1000), (70, 20, 10))])
    assert (found.p_value, found.chi_square_p_value, found.is_off) == (1, 1, False)


def test_chi_square_is_that_of_pearson() -> None:
    found = check_sample_ratio([Counted((72, 21, 15), (70, 20, 10))])
    expected = chisquare([72, 21, 15], [108 * 0.7, 108 * 0.2, 108 * 0.1]).pvalue
    assert found.chi_square_p_value == pytest.approx(expected)
    assert check_sample_ratio([Counted((7, 9), (1, 1))]).chi_square_p_value is None


def test_a_ramp_is_judged_step_by_step() -> None:
    # 1 % of 20,000, then half of 4,000: as was due at either step, though not at either of the two shares.
    right = [Counted((19_800, 200), (99, 1)), Counted((2000, 2000), (50, 50))]
    assert check_sample_ratio(right).p_value == 1
    wrong = [Counted((19_800, 200), (99, 1)), Counted((1700, 2300), (50, 50))]
    assert check_sample_ratio(wrong).is_off
    assert check_sample_ratio(wrong).p_value > check_sample_ratio(wrong[1:]).p_value


def test_a_large_deviation_of_few_units_is_suspect_before_it_is_sure() -> None:
    few, more = (check_sample_ratio([Counted((6 * n, 4 * n), (1, 1))]) for n in (100, 300))
    assert (few.is_off, few.is_suspect) == (False, True)
    assert (more.is_off, more.is_suspect) == (True, False)
    assert not check_sample_ratio([Counted((510, 490), (1, 1))]).is_suspect
    assert not check_sample_ratio([Counted((1, 0), (1, 1))]).is_suspect


def test_the_least_p_value_so_far_stays() -> None:
    assert check_sample_ratio([Counted((500, 500), (1, 1))], least=0.0004).is_off


def test_units_where_none_were_due_are_a_fault() -> None:
    step = Counted((500, 500, 1), (50, 50, 0))
    assert log_bayes_factor(step) == inf
    assert check_sample_ratio([step]).p_value == 0
    assert check_sample_ratio([step]).chi_square_p_value is None
    assert check_sample_ratio([Counted((500, 500, 0), (50, 50, 0))]).p_value == 1


def test_an_arm_that_got_nothing_is_a_fault_too() -> None:
    assert check_sample_ratio([Counted((500, 500, 0), (1, 1, 1))]).is_off


@pytest.mark.parametrize(
    ("units", "weights", "said"),
    [
        ((1,), (1, 1), "a count and a weight"),
        ((-1, 2), (1, 1), "at least 0"),
        ((1, 2), (1, -1), "at least 0"),
        ((1, 2), (0, 0), "some weight above 0"),
    ],
)
def test_what_is_counted_makes_sense(units: tuple[int, ...], weights: tuple[float, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Counted(units, weights)
