"""When confidence is made anew, and out of what."""

import pytest

from routing.confidence.gate import ConfidenceMode
from routing.confidence.refit import Source, Standing, due

LABELS, RECORDS = Source.LABELS, Source.RECORDS


def standing(labels: int, records: int, **changed: object) -> Standing:
    fields: dict[str, object] = {
        "mode": ConfidenceMode.RISK,
        "is_frozen": False,
        "labels": labels,
        "new_labels": labels,
        "records": records,
        **changed,
    }
    return Standing(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "records", "expected"),
    [
        pytest.param(0, 49, None, id="too few records to compare with"),
        pytest.param(0, 50, RECORDS, id="enough records for a rank, without any label"),
        pytest.param(199, 50, RECORDS, id="one label too few"),
        pytest.param(200, 0, LABELS, id="enough labels, whatever the records"),
        pytest.param(5000, 5000, LABELS, id="as many as are looked at"),
    ],
)
def test_the_first_calibration_is_made_as_soon_as_there_is_something_to_make_it_of(
    labels: int, records: int, expected: Source | None
) -> None:
    assert due(standing(labels, records)) is expected


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [(50, 99, None), (50, 100, RECORDS), (3000, 5999, None), (3000, 6000, RECORDS), (5000, 20_000, None)],
)
def test_a_rank_is_made_again_when_records_have_doubled(then: int, now: int, expected: Source | None) -> None:
    assert due(standing(100, now, last=RECORDS, last_records=then)) is expected


@pytest.mark.parametrize(
    ("then", "new", "expected"),
    [
        pytest.param(200, 0, None, id="nothing new"),
        pytest.param(200, 49, None, id="not a quarter more"),
        pytest.param(200, 50, LABELS, id="a quarter more"),
        pytest.param(250, 49, None, id="not 300 yet"),
        pytest.param(250, 50, LABELS, id="a risk may be promised now"),
        pytest.param(300, 74, None, id="beyond 300 not a quarter more"),
        pytest.param(300, 75, LABELS, id="beyond 300 a quarter more"),
        pytest.param(5000, 199, None, id="not 200 more"),
        pytest.param(5000, 200, LABELS, id="200 more"),
    ],
)
def test_a_fit_is_made_again_when_there_is_enough_news(then: int, new: int, expected: Source | None) -> None:
    assert due(standing(max(then, 200), 5000, new_labels=new, last=LABELS, last_labels=then)) is expected


def test_labels_take_the_place_of_records() -> None:
    assert due(standing(200, 5000, new_labels=3, last=RECORDS, last_labels=150, last_records=4000)) is LABELS


def test_a_fit_is_not_given_up_for_a_rank_when_labels_have_been_deleted() -> None:
    assert due(standing(120, 5000, last=LABELS, last_labels=900)) is None


@pytest.mark.parametrize("labels", [0, 5000])
def test_what_is_frozen_or_asks_for_no_log_probabilities_stays_as_it_is(labels: int) -> None:
    assert due(standing(labels, 5000, is_frozen=True)) is None
    assert due(standing(labels, 5000, mode=ConfidenceMode.NONE)) is None
