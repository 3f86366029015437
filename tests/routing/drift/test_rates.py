import pytest

from routing.drift.rates import LABELS_A_DAY, MINUTES_A_DAY, Looks, rates_of, windows_a_day

LOOKS = Looks(arms=2, windows_a_day=288, sums=12, detectors=3)


def test_all_parts_together_are_what_was_promised() -> None:
    rates = rates_of(30, 0.05, LOOKS)
    of_windows = 2 * rates.window_alpha * 288 * 2
    of_sums = 288 * 2 * 12 * 2 / rates.cusum_windows
    of_means = rates.mean_alarm * MINUTES_A_DAY * 3 * 2
    of_labels = rates.label_alarm * LABELS_A_DAY * 2
    assert of_windows + of_sums + of_means + of_labels == pytest.approx(1 / 30)


def test_alpha_is_a_limit_where_windows_are_rare() -> None:
    assert rates_of(1, 0.001, Looks(arms=1, windows_a_day=1, sums=1, detectors=1)).window_alpha == 0.001


def test_more_labels_are_each_given_less() -> None:
    busy = Looks(arms=2, windows_a_day=288, sums=12, detectors=3, labels_a_day=20_000)
    assert rates_of(30, 0.001, busy).label_alarm == pytest.approx(rates_of(30, 0.001, LOOKS).label_alarm / 10)


def test_windows_a_day() -> None:
    assert windows_a_day(5) == 288
    assert windows_a_day(0) == 1440
