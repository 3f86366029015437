"""What calibration reads, and the sums that operators see."""

from itertools import count

import pytest

from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry, LabelRow, RequestRow
from gateway.store.engine import Store
from gateway.store.labels import (
    LabelSource,
    add_labels,
    count_labels,
    coverage,
    newest_label_us,
    read_labelled,
    sum_labels,
)
from routing.words import Outcome, Reason
from tests.fakes.records import STARTED_US, audit_label, request_id, request_row, served_row

AUDIT, FEEDBACK = LabelSource.AUDIT, LabelSource.FEEDBACK
_seqs = count(1)


def write(store: Store, rows: list[RequestRow], labels: list[LabelRow]) -> None:
    entries: list[Entry] = [(row, []) for row in rows]
    BatchWriter(store, "w", lambda: STARTED_US).write(Batch(seq=next(_seqs), entries=entries))
    with store.writing() as connection:
        add_labels(connection, labels)


def success(number: int, **changed: object) -> LabelRow:
    fields = {"metric": "success", "source": FEEDBACK, "propensity": 1.0, "made_us": STARTED_US + number, **changed}
    return audit_label(number, **fields)


def test_labels_come_with_what_was_recorded_newest_first(store: Store) -> None:
    row = served_row(1)._replace(judged="prefix", threshold=0.75, prefix_features="[3,-1.5,-0.75,-0.75,-0.5]")
    write(store, [row, served_row(2)], [audit_label(1, made_us=5), audit_label(2, made_us=6, value=0.0)])

    with store.reading() as connection:
        newer, older = read_labelled(connection, "support", "v1", limit=10)
        assert [one.request_id for one in read_labelled(connection, "support", "v1", limit=1)] == [request_id(2)]
    assert (newer.request_id, newer.source, newer.value, newer.made_us) == (request_id(2), AUDIT, 0.0, 6)
    assert (older.judged, older.threshold, older.propensity, older.is_weighed) == ("prefix", 0.75, 0.25, True)
    assert (older.started_us, older.confidence) == (STARTED_US, 0.5)
    assert newer.prefix is None
    assert older.prefix is not None
    assert older.whole is not None
    assert (older.prefix.tokens, older.prefix.q20_logprob, older.prefix.first_logprob) == (3, -0.5, None)
    assert (older.whole.max_entropy, older.whole.is_cut, older.whole.is_valid) == (0.75, False, True)


@pytest.mark.parametrize(
    ("outcome", "reason", "is_gated"),
    [
        (Outcome.FALLBACK, Reason.INVALID, True),
        (Outcome.DEGRADED, Reason.INVALID, False),
        (Outcome.FALLBACK, Reason.LOW_CONFIDENCE, False),
        (Outcome.SERVED, None, False),
    ],
)
def test_a_label_tells_whether_a_hard_gate_had_the_answer_replaced(
    store: Store, outcome: Outcome, reason: Reason | None, is_gated: bool
) -> None:
    write(store, [served_row(1)._replace(outcome=outcome, reason=reason)], [audit_label(1)])
    with store.reading() as connection:
        [label] = read_labelled(connection, "support", "v1", limit=1)
    assert label.is_gated is is_gated


def test_features_of_before_all_were_kept_can_still_be_read(store: Store) -> None:
    row = served_row(1)._replace(whole_features="[3,-1.5,-0.75,-0.75,-0.75,-0.5,null,null,null,null,null]")
    write(store, [row], [audit_label(1)])
    with store.reading() as connection:
        [label] = read_labelled(connection, "support", "v1", limit=1)
    assert label.whole is not None
    assert (label.whole.is_cut, label.whole.is_valid, label.whole.mean_entropy) == (False, None, None)


def test_a_request_counts_once_and_its_audit_before_its_feedback(store: Store) -> None:
    labels = [audit_label(1, value=0.0), success(1), success(2), audit_label(3)]
    write(store, [served_row(number) for number in range(1, 4)], labels)

    with store.reading() as connection:
        read = {one.request_id: one.source for one in read_labelled(connection, "support", "v1", limit=10)}
        assert read == {request_id(1): AUDIT, request_id(2): FEEDBACK, request_id(3): AUDIT}
        assert count_labels(connection, "support", "v1") == 3
        for sources, counted in (((AUDIT,), 2), ((FEEDBACK,), 2), ((FEEDBACK, AUDIT), 3)):
            rows = read_labelled(connection, "support", "v1", limit=10, sources=sources)
            assert len(rows) == counted == count_labels(connection, "support", "v1", sources=sources)
        [first] = [row for row in rows if row.request_id == request_id(1)]
        assert first.source is FEEDBACK


def test_only_metrics_that_say_what_is_right_and_only_the_arms_own_labels_are_read(store: Store) -> None:
    labels = [
        success(1, metric="stars", value=4.0),
        success(2, metric="audit_agreement"),
        success(3, model="v2"),
        success(4, route="other"),
        audit_label(5, metric="success"),
    ]
    write(store, [served_row(number) for number in range(1, 6)], labels)
    with store.reading() as connection:
        assert read_labelled(connection, "support", "v1", limit=10) == []
        assert count_labels(connection, "support", "v1") == 0
        assert newest_label_us(connection, "support", "v1") is None


def test_labels_that_a_threshold_selected_can_be_left_out(store: Store) -> None:
    write(store, [served_row(1), served_row(2)], [success(1), success(2, is_weighed=False)])
    with store.reading() as connection:
        [label] = read_labelled(connection, "support", "v1", limit=10, weighed_only=True)
        assert (label.request_id, label.is_weighed) == (request_id(1), True)
        assert count_labels(connection, "support", "v1", weighed_only=True) == 1
        assert count_labels(connection, "support", "v1") == 2
        assert newest_label_us(connection, "support", "v1") == STARTED_US + 2
        assert newest_label_us(connection, "support", "v1", sources=(AUDIT,)) is None


def test_a_label_gives_way_to_a_later_one_and_not_to_an_earlier_one(store: Store) -> None:
    write(store, [served_row(1)], [success(1, made_us=5, value=1.0), success(1, made_us=7, value=0.0)])
    write(store, [], [success(1, made_us=6, value=1.0)])
    with store.reading() as connection:
        [label] = read_labelled(connection, "support", "v1", limit=10)
    assert (label.value, label.made_us) == (0.0, 7)


def test_agreement_is_weighed_by_propensity_and_undefined_where_another_model_answered(store: Store) -> None:
    rows = [*(served_row(number) for number in range(1, 5)), request_row(5), request_row(6)._replace(model=None)]
    labels = [
        audit_label(1, value=1.0, propensity=0.1),
        audit_label(2, value=0.0, propensity=1.0),
        audit_label(5, value=0.0),
        audit_label(6, value=0.0),
        success(1, value=0.0),
        success(2),
        success(3),
    ]
    write(store, rows, labels)
    with store.reading() as connection:
        [arm] = sum_labels(connection, "support", STARTED_US)
        assert coverage(connection, "support", STARTED_US) == {"v1": pytest.approx(0.5)}
    assert (arm.arm, arm.requests) == ("v1", 6)
    assert arm.agreement == pytest.approx(10 / 11)
    assert (arm.agreement_n, arm.undefined_n) == (2, 2)
    assert arm.success == pytest.approx(2 / 3)
    assert (arm.success_n, arm.coverage) == (3, 0.5)


def test_sums_are_by_arm_of_one_routes_requests_of_the_time_without_a_testers(store: Store) -> None:
    rows = [
        served_row(1),
        served_row(2)._replace(arm="v2", model="v2"),
        served_row(3)._replace(route="other"),
        served_row(4, started_us=STARTED_US - 1_000),
        served_row(5)._replace(is_forced=True),
        served_row(6)._replace(arm=None, model=None),
    ]
    labels = [
        success(1),
        success(3, route="other"),
        success(4, request_id=request_id(4, STARTED_US - 1_000)),
        success(5),
    ]
    write(store, rows, labels)
    with store.reading() as connection:
        first, second = sum_labels(connection, "support", STARTED_US)
        assert coverage(connection, "support", STARTED_US) == {"v1": 1.0, "v2": 0.0}
        assert sum_labels(connection, "nothing", STARTED_US) == []
    assert (first.arm, first.requests, first.success_n) == ("v1", 1, 1)
    assert (second.arm, second.requests, second.success, second.agreement) == ("v2", 1, None, None)
