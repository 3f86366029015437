"""What has come of a route that could be trained on, on both kinds of store."""

from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry
from gateway.store import labels
from gateway.store.engine import Store
from gateway.store.feedback import FeedbackKind
from gateway.store.labels import LabelSource
from gateway.store.retraining import examples_since
from routing.words import RouteName
from tests.fakes.documents import SUPPORT
from tests.fakes.records import STARTED_US, audit_label, feedback_row, request_id, served_row

LATER_US = STARTED_US + 10_000_000


def add_labels(store: Store, numbers: range, source: LabelSource = LabelSource.AUDIT, **changed: object) -> None:
    metric = labels.METRIC_OF[source]
    rows = [audit_label(number, source=source, metric=metric, **changed) for number in numbers]
    with store.writing() as connection:
        labels.add_labels(connection, rows)


def add_demonstrations(store: Store, numbers: range, *, route: str = "support") -> None:
    requests: list[Entry] = [(served_row(number)._replace(route=route), []) for number in numbers]
    said = [
        feedback_row(number, kind=FeedbackKind.DEMONSTRATION, metric="demonstration", value='{"content": "secret"}')
        for number in numbers
    ]
    BatchWriter(store, f"w-{route}", lambda: STARTED_US).write(Batch(seq=1, entries=[*requests, *said]))
    with store.writing() as connection:
        ids = ", ".join(f"'{request_id(number)}'" for number in numbers)
        connection.exec_driver_sql(
            f"UPDATE feedback SET state = 'joined', joined_request_id = request_id WHERE request_id IN ({ids})"
        )


def test_a_request_counts_once_however_much_is_known_of_it(store: Store) -> None:
    add_labels(store, range(1, 11))
    add_labels(store, range(6, 16), LabelSource.FEEDBACK)
    add_demonstrations(store, range(14, 21))
    with store.reading() as connection:
        found = examples_since(connection, SUPPORT, STARTED_US, LATER_US)
    assert found.requests == 20
    assert found.labels == {"audit": 10, "feedback": 10}
    assert found.demonstrations == 7
    assert (found.since_us, found.until_us) == (STARTED_US, LATER_US)


def test_only_what_came_since_and_of_this_route_counts(store: Store) -> None:
    add_labels(store, range(1, 11))
    add_labels(store, range(11, 21), made_us=LATER_US)
    add_labels(store, range(21, 31), made_us=LATER_US, route="other")
    add_demonstrations(store, range(31, 41), route="other")
    with store.reading() as connection:
        found = examples_since(connection, SUPPORT, LATER_US - 1, LATER_US)
        nothing = examples_since(connection, RouteName("none"), 0, LATER_US)
    assert (found.requests, found.labels, found.demonstrations) == (10, {"audit": 10}, 0)
    assert (nothing.requests, nothing.labels, nothing.demonstrations) == (0, {}, 0)


def test_other_metrics_are_no_examples(store: Store) -> None:
    with store.writing() as connection:
        labels.add_labels(connection, [audit_label(1, source=LabelSource.FEEDBACK, metric="stars", value=4.0)])
    with store.reading() as connection:
        assert examples_since(connection, SUPPORT, 0, LATER_US).requests == 0
