"""Feedback finds its request whenever it comes, and becomes a label where it says something of an arm's answer."""

from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from gateway.control.loops.labels import PATIENCE_US, LabelJoin
from gateway.metrics.feedback import FeedbackCount
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import Entry, FeedbackRow, RequestRow
from gateway.store.engine import Store
from gateway.store.feedback import FeedbackKind
from gateway.store.tables import feedback, labels
from routing.words import Outcome
from tests.fakes.records import STARTED_US, feedback_row, request_id, request_row, served_row

S_US = 1_000_000
DAY_US = 86_400 * S_US
NOW_US = STARTED_US + 2 * S_US

_seqs = count(1)


class Joining:
    """The loop, at a time of its own."""

    def __init__(self, store: Store, piece: int = 500) -> None:
        self.now_us = NOW_US
        self.counted: Counter[str] = Counter()
        self._store = store
        self._join = LabelJoin(store, self._count, lambda: self.now_us, piece)

    def run(self) -> bool:
        return self._join.run()

    def write(self, *entries: Entry | RequestRow) -> None:
        """As a worker does."""
        whole = [(entry, []) if isinstance(entry, RequestRow) else entry for entry in entries]
        BatchWriter(self._store, "w", lambda: self.now_us).write(Batch(seq=next(_seqs), entries=whole))

    def states(self) -> list[tuple[str, str | None]]:
        """State and detail, in the order of the ids."""
        columns = (feedback.c.state, feedback.c.detail)
        with self._store.reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(select(*columns).order_by(feedback.c.feedback_id))]

    def labels(self) -> list[tuple[Any, ...]]:
        columns = (labels.c.request_id, labels.c.metric, labels.c.value)
        with self._store.reading() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).order_by(labels.c.request_id))]

    def settle(self, said: FeedbackRow, *rows: RequestRow) -> tuple[str, str | None]:
        """What becomes of one piece of feedback."""
        self.write(said, *rows)
        self.run()
        [state] = self.states()
        return state

    def _count(self, state: FeedbackCount, how_many: int) -> None:
        self.counted[state] += how_many


@pytest.fixture
def joining(store: Store) -> Joining:
    return Joining(store)


def test_feedback_on_an_arms_answer_becomes_a_label(joining: Joining, store: Store) -> None:
    assert joining.settle(feedback_row(1), served_row(1)) == ("joined", None)

    with store.reading() as connection:
        row = connection.execute(select(labels)).one()
        joined_to = connection.execute(select(feedback.c.joined_request_id)).scalar_one()
    assert tuple(row) == (
        request_id(1), "success", "feedback", "support", "v1", 1.0, 1.0, True, feedback_row(1).received_us,
    )  # fmt: skip
    assert joined_to == request_id(1)
    assert joining.counted == {"joined": 1, "refused": 0}


def test_feedback_may_be_quicker_than_the_record(joining: Joining) -> None:
    assert joining.settle(feedback_row(1)) == ("waiting", None)
    joining.write(served_row(1))
    joining.run()
    assert joining.states() == [("joined", None)]
    assert joining.labels() == [(request_id(1), "success", 1.0)]


def test_a_record_that_an_outage_held_up_for_hours_is_still_found(joining: Joining) -> None:
    joining.settle(feedback_row(1))
    joining.now_us += PATIENCE_US - 10 * S_US
    joining.run()
    assert joining.states() == [("waiting", None)]
    joining.write(served_row(1))
    joining.run()
    assert joining.states() == [("joined", None)]


def test_a_day_is_long_enough_to_wait(joining: Joining) -> None:
    joining.settle(feedback_row(1))
    joining.now_us = feedback_row(1).received_us + PATIENCE_US
    joining.run()
    assert joining.states() == [("refused", "no such request within 24 h")]


def test_an_answer_is_found_by_its_own_id(joining: Joining) -> None:
    row = served_row(1)._replace(answer_id="resp-1")
    assert joining.settle(feedback_row(1, request_id=None, answer_id="resp-1"), row) == ("joined", None)
    assert joining.labels() == [(request_id(1), "success", 1.0)]


def test_an_id_that_another_gateway_made_is_found_as_the_answers(joining: Joining) -> None:
    other = f"chatcmpl-{request_id(99)}"
    said = feedback_row(1, request_id=request_id(99), answer_id=other)
    assert joining.settle(said, served_row(1)._replace(answer_id=other)) == ("joined", None)
    assert joining.labels() == [(request_id(1), "success", 1.0)]


def test_of_answers_with_the_same_id_the_newest_of_the_same_key_is_meant(joining: Joining) -> None:
    rows = [served_row(number)._replace(answer_id="same") for number in range(1, 5)]
    rows[2] = rows[2]._replace(key_name="another")
    rows[3] = rows[3]._replace(tenant="another")
    joining.settle(feedback_row(1, request_id=None, answer_id="same"), *rows)
    assert joining.labels() == [(request_id(2), "success", 1.0)]


@pytest.mark.parametrize("changes", [{"key_name": "another"}, {"tenant": "another"}, {"key_name": None}], ids=str)
@pytest.mark.parametrize("by", ["request", "answer"])
def test_feedback_on_anothers_request_is_refused(joining: Joining, changes: dict[str, Any], by: str) -> None:
    row = served_row(1)._replace(answer_id="resp-1", **changes)
    said = feedback_row(1) if by == "request" else feedback_row(1, request_id=None, answer_id="resp-1")
    if by == "answer" and "tenant" in changes:
        assert joining.settle(said, row) == ("waiting", None)  # ids of answers are looked for in the tenant alone
    else:
        assert joining.settle(said, row) == ("refused", "belongs to another key")
    assert joining.labels() == []


@pytest.mark.parametrize("is_there", [True, False], ids=["still there", "deleted already"])
def test_feedback_on_a_request_of_last_month_is_refused(joining: Joining, *, is_there: bool) -> None:
    late_us = STARTED_US + 30 * DAY_US + 1_000
    joining.now_us = late_us
    rows = [served_row(1)] if is_there else []
    assert joining.settle(feedback_row(1, received_us=late_us), *rows) == (
        "refused",
        "the request was more than 30 days old",
    )


def test_what_is_sent_again_under_its_key_is_refused(joining: Joining) -> None:
    joining.write(served_row(1))
    joining.write(
        *(
            feedback_row(n, request_id=request_id(1), idempotency_key="a", value=v)
            for n, v in ((1, "true"), (2, "false"))
        )
    )
    joining.run()
    joining.write(feedback_row(3, request_id=request_id(1), idempotency_key="a", value="false"))
    joining.run()
    repeated = ("refused", "repeated: feedback with this idempotency key came before")
    assert joining.states() == [("joined", None), repeated, repeated]
    assert joining.labels() == [(request_id(1), "success", 1.0)]


def test_a_repetition_that_overtook_what_it_repeats_counts_in_its_stead(joining: Joining) -> None:
    joining.write(served_row(1))
    joining.write(feedback_row(2, request_id=request_id(1), idempotency_key="a"))
    joining.run()
    joining.write(feedback_row(1, idempotency_key="a"))
    joining.run()
    assert [state for state, _ in joining.states()] == ["refused", "joined"]


def test_idempotency_keys_of_different_keys_do_not_meet(joining: Joining) -> None:
    joining.write(served_row(1), served_row(2)._replace(key_name="another"), served_row(3)._replace(tenant="another"))
    joining.write(
        feedback_row(1, idempotency_key="a"),
        feedback_row(2, idempotency_key="a", key_name="another"),
        feedback_row(3, idempotency_key="a", tenant="another"),
    )
    joining.run()
    assert joining.states() == [("joined", None)] * 3


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["in order", "the later one first"])
def test_of_two_opinions_the_later_one_counts(joining: Joining, order: Iterable[int]) -> None:
    said = {
        1: feedback_row(1, value="true"),
        2: feedback_row(2, request_id=request_id(1), value="false", received_us=NOW_US),
    }
    joining.write(served_row(1))
    for number in order:
        joining.write(said[number])
        joining.run()
    assert joining.states() == [("joined", None), ("joined", None)]
    assert joining.labels() == [(request_id(1), "success", 0.0)]


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"model": "large", "outcome": Outcome.FALLBACK}, "another model answered"),
        ({"model": "large", "outcome": Outcome.DEGRADED}, "another model answered"),
        ({"is_forced": True}, "a tester's request, which is left out of results"),
        ({"outcome": Outcome.INTERRUPTED}, "no whole answer was seen: interrupted"),
        ({"outcome": Outcome.CLIENT_CLOSED}, "no whole answer was seen: client_closed"),
        ({"outcome": Outcome.FAILED, "model": None}, "no whole answer was seen: failed"),
    ],
    ids=str,
)
def test_what_says_nothing_of_the_arms_answer_is_joined_without_a_label(
    joining: Joining, changes: dict[str, Any], detail: str
) -> None:
    assert joining.settle(feedback_row(1), served_row(1)._replace(**changes)) == ("joined", detail)
    assert joining.labels() == []


@pytest.mark.parametrize("kind", [FeedbackKind.COMMENT, FeedbackKind.DEMONSTRATION])
def test_words_are_joined_without_a_label(joining: Joining, kind: FeedbackKind) -> None:
    said = feedback_row(1, metric="note", kind=kind, value='"on Tuesday"')
    assert joining.settle(said, served_row(1)) == ("joined", f"a {kind}, which is no label")
    assert joining.labels() == []


def test_numbers_are_labels_of_their_metric(joining: Joining) -> None:
    joining.settle(feedback_row(1, metric="stars", kind=FeedbackKind.NUMBER, value="-2.5"), served_row(1))
    assert joining.labels() == [(request_id(1), "stars", -2.5)]


@pytest.mark.parametrize("threshold", [None, 0.75])
def test_a_label_that_a_threshold_selected_carries_no_bound(
    joining: Joining, store: Store, threshold: float | None
) -> None:
    row = served_row(1)._replace(threshold=threshold, outcome=Outcome.DEGRADED)
    joining.settle(feedback_row(1), row)
    with store.reading() as connection:
        assert connection.execute(select(labels.c.is_weighed)).scalar_one() is (threshold is None)


def test_what_waits_for_nothing_does_not_hold_up_the_others(store: Store) -> None:
    joining = Joining(store, piece=10)
    joining.write(*(feedback_row(number, request_id=request_id(1000 + number)) for number in range(35)))
    joining.now_us += 100 * S_US
    fresh = feedback_row(90, feedback_id=request_id(90, joining.now_us), received_us=joining.now_us)
    joining.write(served_row(90), fresh)
    assert joining.run() is False
    assert joining.counted["joined"] == 1

    joining.write(served_row(1034))
    runs = [joining.run() for _ in range(4)]
    assert joining.counted["joined"] == 2
    assert runs == [False] * 4


def test_more_than_a_piece_is_worked_off_piece_by_piece(store: Store) -> None:
    joining = Joining(store, piece=10)
    joining.write(*(feedback_row(number) for number in range(25)), *(served_row(number) for number in range(25)))
    assert [joining.run() for _ in range(4)] == [True, True, False, False]
    assert joining.counted["joined"] == 25
    assert len(joining.labels()) == 25


def test_two_loops_at_once_settle_everything_once(store: Store) -> None:
    first, second = Joining(store), Joining(store)
    first.write(feedback_row(1), served_row(1), feedback_row(2), request_row(2))
    with store.reading():
        first.run()
        second.run()
    assert first.states() == [("joined", None), ("joined", "another model answered")]
    assert first.labels() == [(request_id(1), "success", 1.0)]
