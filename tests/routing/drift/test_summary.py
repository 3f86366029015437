from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.drift.describe import describe_input
from routing.drift.features import BY_NAME, Side
from routing.drift.summary import (
    GRAM_BINS,
    MOST_GRAMS,
    MOST_TEMPLATES,
    WORD_BINS,
    Gatherer,
    Summary,
    gram_bin,
    total_of,
    word_bin,
)

REQUESTS = st.lists(
    st.tuples(st.text("abcdé 1", max_size=20), st.integers(1, 5), st.floats(0, 1), st.sampled_from(["yes", "no"])),
    max_size=12,
)


def summary_of(requests: Sequence[tuple[str, int, float, str]]) -> Summary:
    gatherer = Gatherer()
    for text, turns, confidence, fallback in requests:
        gatherer.see()
        gatherer.add_input(describe_input(text, turns))
        gatherer.add_output({"confidence": confidence}, {"fallback": fallback})
    return gatherer.take()


@given(REQUESTS, REQUESTS, REQUESTS)
def test_the_order_in_which_summaries_arrive_makes_no_difference(one: list, other: list, third: list) -> None:  # type: ignore[type-arg]
    a, b, c = map(summary_of, (one, other, third))
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Summary() == a


@given(REQUESTS)
def test_the_summaries_of_four_workers_come_to_that_of_one(requests: list) -> None:  # type: ignore[type-arg]
    assert total_of(summary_of(requests[at::4]) for at in range(4)) == summary_of(requests)


@given(REQUESTS)
def test_a_summary_survives_being_written_and_read(requests: list) -> None:  # type: ignore[type-arg]
    summary = summary_of(requests)
    assert Summary.from_document(summary.as_document()) == summary


def test_what_is_counted_of_a_request() -> None:
    summary = summary_of([("where is it is it", 2, 0.5, "yes"), ("", 1, 1.0, "no")])
    assert (summary.seen, summary.inputs, summary.outputs) == (2, 2, 2)
    assert summary.n(Side.INPUT) == 2
    assert sum(summary.counts["turns"]) == 2
    assert summary.missing("non_ascii") == 1  # an empty text has no shares
    assert summary.counts["fallback"] == (1, 1)
    assert summary.sums["confidence"] == (1_500_000, 1_250_000)
    assert summary.words == {word_bin(word): 1 for word in ("where", "is", "it")}
    assert summary.grams[gram_bin("whe")] >= 1
    assert sum(summary.grams) == len("where is it is it") - 2
    assert summary.top_grams["is "] == 2


def test_a_gatherer_begins_anew_when_it_is_taken() -> None:
    gatherer = Gatherer()
    gatherer.see()
    gatherer.take()
    assert gatherer.take() == Summary()


def test_a_category_that_nobody_foresaw_counts_as_the_last_one() -> None:
    gatherer = Gatherer()
    gatherer.add_output({}, {"finish_reason": "brand_new"})
    assert gatherer.take().counts["finish_reason"][-1] == 1


def test_memory_is_bounded_and_no_piece_is_lost_whatever_comes() -> None:
    gatherer = Gatherer()
    characters = 0
    for number in range(400):
        text = "".join(chr(0x4E00 + (number * 50 + at) % 20_000) for at in range(50))
        gatherer.add_input(describe_input(text, 1))
        characters += 50 - 2
    summary = gatherer.take()
    assert sum(summary.grams) == characters
    assert len(summary.grams) == GRAM_BINS
    assert len(summary.top_grams) <= MOST_GRAMS
    assert len(summary.templates) <= MOST_TEMPLATES
    assert all(0 <= at < WORD_BINS for at in summary.words)


@pytest.mark.parametrize("document", [{}, {"counts": []}, {"seen": "many"}, Summary().as_document() | {"words": [1]}])
def test_what_is_no_summary_is_refused_with_a_sentence(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no summary of requests"):
        Summary.from_document(document)


def test_features_of_another_version_are_left_out_when_it_is_read() -> None:
    document = summary_of([("a", 1, 0.5, "no")]).as_document()
    document["counts"]["mood"] = [1, 2]
    document["counts"]["turns"] = [1]
    summary = Summary.from_document(document)
    assert "mood" not in summary.counts
    assert "turns" not in summary.counts
    assert len(summary.counts["script"]) == BY_NAME["script"].bins
