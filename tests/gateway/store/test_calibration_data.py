"""What calibration reads beside labels, on both kinds of store."""

import pytest

from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import RequestRow
from gateway.store.calibration_data import (
    count_answers,
    count_labels_after,
    fallback_worth,
    late_counts,
    recent_features,
)
from gateway.store.engine import Store
from gateway.store.labels import LabelSource, add_labels
from gateway.store.lookup import find_request
from tests.fakes.records import STARTED_US, attempt_rows, audit_label, request_id, request_row, served_row


def write(store: Store, *rows: RequestRow) -> None:
    BatchWriter(store, "w", lambda: STARTED_US).write(Batch(seq=1, entries=[(row, []) for row in rows]))


def test_answers_are_counted_by_route_and_arm_without_those_of_testers_and_those_without_features(store: Store) -> None:
    write(
        store,
        served_row(1),
        request_row(2),  # which has the features of its start alone
        served_row(3)._replace(arm="v2"),
        served_row(4)._replace(route="other"),
        served_row(5)._replace(is_forced=True),
        served_row(6)._replace(whole_features=None),
        served_row(7)._replace(arm=None),
    )
    with store.reading() as connection:
        assert count_answers(connection) == {("support", "v1"): 2, ("support", "v2"): 1, ("other", "v1"): 1}


def test_features_are_the_newest_of_the_arm(store: Store) -> None:
    rows = [served_row(n)._replace(whole_features=f"[{n},-1.0,-1.0,-1.0,-1.0]") for n in range(1, 6)]
    write(store, *rows, request_row(9), served_row(8)._replace(arm="v2"), served_row(7)._replace(is_forced=True))
    with store.reading() as connection:
        whole, prefix = recent_features(connection, "support", "v1", limit=3)
    assert [answer.tokens for answer in whole] == [5, 4, 3]
    assert [start.sum_logprob for start in prefix] == [-11.09]


@pytest.mark.parametrize(("after", "at_most", "expected"), [(-1, 10, 3), (5, 10, 2), (6, 10, 0), (-1, 2, 2)])
def test_labels_are_counted_after_a_moment_and_as_far_as_it_matters(
    store: Store, after: int, at_most: int, expected: int
) -> None:
    rows = [audit_label(1, made_us=5), audit_label(2, made_us=6)]
    rows.append(audit_label(2, metric="success", source=LabelSource.FEEDBACK, made_us=6))
    others = [audit_label(3, metric="stars", made_us=7), audit_label(4, model="v2"), audit_label(5, route="other")]
    with store.writing() as connection:
        add_labels(connection, [*rows, *others])
    with store.reading() as connection:
        assert count_labels_after(connection, "support", "v1", after, at_most=at_most) == expected


def test_late_doubt_is_counted_by_calibration(store: Store) -> None:
    late = {1: 0.9, 2: 0.5, 3: 0.49, 4: None}
    rows = [request_row(n)._replace(calibration="v1.2", late_confidence=found) for n, found in late.items()]
    write(store, *rows, request_row(5)._replace(calibration="v1.1", late_confidence=0.1))
    with store.reading() as connection:
        found = late_counts(connection, "support", "v1", "v1.2", 0.5)
    assert (found.n, found.low) == (3, 1)


def test_of_a_fallback_that_nobody_asked_nothing_is_known(store: Store) -> None:
    with store.reading() as connection:
        worth = fallback_worth(connection, "support", "large")
    assert (worth.success, worth.cost_nanousd) == (None, None)


def test_a_request_is_found_with_its_attempts_and_features(store: Store) -> None:
    entries = [(request_row(1), attempt_rows(1)), (served_row(2), [])]
    BatchWriter(store, "w", lambda: STARTED_US).write(Batch(seq=1, entries=entries))
    with store.reading() as connection:
        for given_id in (request_id(1), request_id(1).upper(), f"chatcmpl-{request_id(1)}", request_row(1).answer_id):
            found = find_request(connection, given_id or "")
            assert found is not None
            assert (found.request["request_id"], found.request["whole_features"]) == (request_id(1), None)
            assert found.request["prefix_features"][:2] == [16, -11.09]
            assert [attempt["number"] for attempt in found.attempts] == [1, 2]
        for given_id in ("", "\0", "chatcmpl-", request_id(3)):
            assert find_request(connection, given_id) is None
