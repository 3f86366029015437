from math import inf, nan

import pytest

from routing.drift.counters import MOST_WAITING, WORD_BINS, Numbers, WordBins, word_bin


def test_numbers_are_counted_in_bins_and_summed_in_millionths() -> None:
    turns = Numbers("turns")
    for value in (1, 2, 2.5, 100):
        turns.add(value)
    assert turns.counts == [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert (turns.sum, turns.squares) == (105_500_000, 10_011_250_000)


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e300])
def test_what_is_no_number_is_missing_and_spoils_no_sum(value: float) -> None:
    turns = Numbers("turns")
    turns.add(value)
    assert (sum(turns.counts), turns.sum, turns.squares) == (0, 0, 0)


def test_a_word_counts_once_a_request() -> None:
    words = WordBins()
    words.add(["to", "be", "or", "not", "to", "be"])
    words.add(["be"])
    assert words.taken() == {word_bin("to"): 1, word_bin("be"): 2, word_bin("or"): 1, word_bin("not"): 1}


def test_ever_new_words_are_all_counted_and_fill_no_more_than_the_bins() -> None:
    words = WordBins()
    total = 30 * MOST_WAITING
    for start in range(0, total, 500):
        words.add([f"word{number:x}" for number in range(start, min(start + 500, total))])
    bins = words.taken()
    assert sum(bins.values()) == total
    assert len(bins) <= WORD_BINS
    assert set(map(type, bins)) == {int}  # nothing of the words themselves is left


def test_the_bin_of_a_word_never_changes() -> None:
    assert [word_bin(word) for word in ("order", "größe", "заказ")] == [37784, 43401, 56308]
