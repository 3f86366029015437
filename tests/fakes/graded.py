"""Answers of one arm that somebody graded, in a store: sure ones are right more often."""

from collections.abc import Callable, Iterable
from itertools import count
from math import log
from random import Random

from gateway.exchange.record import features_text
from gateway.records.batches import Batch, BatchWriter
from gateway.records.rows import LabelRow, RequestRow
from gateway.store.engine import Store
from gateway.store.labels import add_labels
from routing.confidence.features import Features
from tests.fakes.records import STARTED_US, audit_label, request_id, served_row

_seqs = count(1)


def answer(sureness: float, tokens: int = 16) -> Features:
    """An answer whose first token has this probability, and whose others have about that."""
    each = log(sureness)
    return Features(
        tokens=tokens,
        sum_logprob=each * tokens,
        min_logprob=each - 0.5,
        q10_logprob=each - 0.25,
        q20_logprob=each - 0.125,
        first_logprob=each,
        first_margin=sureness,
        mean_entropy=-each,
    )


class Traffic:
    """Requests and labels, each with a number of its own, a millisecond apart."""

    def __init__(self, store: Store, *, route: str = "support", arm: str = "v1", seed: int = 0) -> None:
        self._store = store
        self._route = route
        self._arm = arm
        self._chance = Random(seed)
        self._numbers = count(seed * 100_000 + 1)

    def answers(
        self,
        n: int,
        *,
        graded: bool = True,
        tells: bool = True,
        right: Callable[[float], float] = lambda sureness: 0.6 + 0.4 * sureness,
        started_us: int = STARTED_US,
        **changed: object,
    ) -> None:
        """Write so many.

        Args:
            n: how many.
            graded: with a label each.
            tells: whether the log-probabilities say anything of the answer.
            right: how likely an answer of a sureness is right.
            started_us: of the first.
            changed: other columns of the requests.
        """
        rows, labels = [], []
        for _ in range(n):
            number = next(self._numbers)
            sureness = self._chance.uniform(0.05, 0.999)
            seen = sureness if tells else self._chance.uniform(0.05, 0.999)
            at_us = started_us + number * 1000
            rows.append(self._row(number, at_us, answer(seen), **changed))
            value = float(self._chance.random() < right(sureness))
            labels.append(self._label(number, at_us, value))
        self.write(rows, labels if graded else [])

    def write(self, rows: Iterable[RequestRow], labels: Iterable[LabelRow]) -> None:
        """Write these."""
        writer = BatchWriter(self._store, "graded", lambda: STARTED_US)
        writer.write(Batch(seq=next(_seqs), entries=[(row, []) for row in rows]))
        with self._store.writing() as connection:
            add_labels(connection, labels)

    def _row(self, number: int, at_us: int, whole: Features, **changed: object) -> RequestRow:
        row = served_row(number, started_us=at_us)._replace(
            route=self._route, arm=self._arm, model=self._arm, whole_features=features_text(whole)
        )
        return row._replace(**changed)  # type: ignore[arg-type]

    def _label(self, number: int, at_us: int, value: float) -> LabelRow:
        return audit_label(
            number,
            request_id=request_id(number, at_us),
            route=self._route,
            model=self._arm,
            value=value,
            made_us=at_us + 500,
        )
