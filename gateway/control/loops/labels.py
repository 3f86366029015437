"""Feedback finds its request, and becomes a label where it says something of an arm's own answer.

what is sent                                            what becomes of it
a repetition of what was sent before                    refused
for a request that is not there                         waits a day for it, then refused
for another key's request, or an old one                refused
anything else                                           joined
... a boolean or a number, the arm's answer was seen    joined, and a label
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.clock import Clock, now_us
from gateway.metrics.feedback import FeedbackCount
from gateway.records.rows import LabelRow
from gateway.store.codec import load_any
from gateway.store.engine import Store
from gateway.store.feedback import (
    FeedbackKind,
    FeedbackState,
    FoundRequest,
    Place,
    Settled,
    Waiting,
    find_requests,
    repetitions,
    settle,
    waiting,
)
from gateway.store.labels import LabelSource, add_labels
from routing.words import Outcome

LABELS_EVERY_S: Final = 1.0
PIECE: Final = 500
PATIENCE_US: Final = 24 * 3600 * 1_000_000
"""How long feedback waits for the record of its request."""
OLDEST_US: Final = 30 * 24 * 3600 * 1_000_000
"""How old a request may be when feedback on it comes."""
FRESH_US: Final = 60 * 1_000_000
"""Feedback that waited longer is looked at only now and then: nearly all records are there within a second."""

_BEGINNING: Final = Place(0, "")
_END_US: Final = 2**62
"""Later than the clock of any machine."""
_LABELLING: Final = frozenset({FeedbackKind.BOOLEAN, FeedbackKind.NUMBER})
_SEEN_WHOLE: Final = frozenset({Outcome.SERVED.value, Outcome.FALLBACK.value, Outcome.DEGRADED.value})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of one piece of feedback, and the label that it makes."""

    settled: Settled
    label: LabelRow | None = None


def judge(said: Waiting, found: FoundRequest | None, *, is_repeated: bool, now_us: int) -> Verdict | None:
    """What becomes of feedback, given the request it means, if there is one; `None` while it has to wait."""
    if is_repeated:
        return _refused(said, found, "repeated: feedback with this idempotency key came before")
    if _age_us(said, found) > OLDEST_US:
        return _refused(said, found, f"the request was more than {OLDEST_US // 86_400_000_000} days old")
    if found is None:
        if now_us - said.received_us < PATIENCE_US:
            return None
        return _refused(said, found, f"no such request within {PATIENCE_US // 3_600_000_000} h")
    if (found.tenant, found.key_name) != (said.tenant, said.key_name):
        return _refused(said, found, "belongs to another key")
    without = _why_no_label(said, found)
    settled = _settled(said, found, FeedbackState.JOINED, without)
    return Verdict(settled=settled, label=None if without is not None else _label(said, found))


def _why_no_label(said: Waiting, found: FoundRequest) -> str | None:
    """Why joined feedback is no label of the arm's answer; `None` where it is one."""
    if said.kind not in _LABELLING:
        return f"a {said.kind}, which is no label"
    if found.is_forced:
        return "a tester's request, which is left out of results"
    if found.outcome not in _SEEN_WHOLE:
        return f"no whole answer was seen: {found.outcome}"
    if found.arm is None or found.model != found.arm:
        return "another model answered"
    return None


def _label(said: Waiting, found: FoundRequest) -> LabelRow:
    assert found.arm is not None
    return LabelRow(
        request_id=found.request_id,
        metric=said.metric,
        source=LabelSource.FEEDBACK,
        route=found.route,
        model=found.arm,
        value=float(load_any(said.value)),
        propensity=1.0,
        # Where low scores were answered by another model, only what passed the threshold can be labelled.
        is_weighed=found.threshold is None,
        made_us=said.received_us,
    )


def _refused(said: Waiting, found: FoundRequest | None, why: str) -> Verdict:
    return Verdict(settled=_settled(said, found, FeedbackState.REFUSED, why))


def _settled(said: Waiting, found: FoundRequest | None, state: FeedbackState, detail: str | None) -> Settled:
    return Settled(
        feedback_id=said.feedback_id,
        state=state,
        detail=detail,
        joined_request_id=None if found is None else found.request_id,
    )


def _age_us(said: Waiting, found: FoundRequest | None) -> int:
    """How old the request was when the feedback came; an id tells its time even if the request is gone."""
    if found is not None:
        return said.received_us - found.started_us
    if said.request_id is None:
        return 0
    return said.received_us - int(said.request_id.replace("-", "")[:12], 16) * 1000


class LabelJoin:
    """Settles what waits, a bounded piece at a time."""

    def __init__(
        self, store: Store, count: Callable[[FeedbackCount, int], None], clock: Clock = now_us, piece: int = PIECE
    ) -> None:
        """`count` is told how much was joined and how much refused."""
        self._store = store
        self._count = count
        self._clock = clock
        self._piece = piece
        self._fresh_at = _BEGINNING
        self._old_at = _BEGINNING

    def run(self) -> bool:
        """Settle a piece of what came lately and a piece of what has waited for long; whether there is more to do."""
        now_us = self._clock()
        fresh_from = Place(now_us - FRESH_US, "")
        self._fresh_at, _, is_full = self._sweep(max(self._fresh_at, fresh_from), _END_US, now_us)
        self._old_at, settled_old, is_full_old = self._sweep(self._old_at, fresh_from.received_us, now_us)
        # Feedback that waits for nothing, however much of it there is, must not keep this loop busy.
        return is_full or (is_full_old and settled_old > 0)

    def _sweep(self, after: Place, until_us: int, now_us: int) -> tuple[Place, int, bool]:
        """Look at one piece: where the next begins, how much was settled, whether there may be more."""
        with self._store.reading() as connection:
            said = waiting(connection, after=after, until_us=until_us, limit=self._piece)
            found = find_requests(connection, said)
            repeated = repetitions(connection, said)
        judged = (
            judge(one, found.get(one.feedback_id), is_repeated=one.feedback_id in repeated, now_us=now_us)
            for one in said
        )
        verdicts = [verdict for verdict in judged if verdict is not None]
        if verdicts:
            self._write(verdicts)
        is_full = len(said) == self._piece
        return (said[-1].place if is_full else _BEGINNING), len(verdicts), is_full

    def _write(self, verdicts: list[Verdict]) -> None:
        with self._store.writing() as connection:
            settle(connection, [verdict.settled for verdict in verdicts])
            add_labels(connection, [verdict.label for verdict in verdicts if verdict.label is not None])
        joined = sum(verdict.settled.state is FeedbackState.JOINED for verdict in verdicts)
        self._count(FeedbackCount.JOINED, joined)
        self._count(FeedbackCount.REFUSED, len(verdicts) - joined)
        log.debug("%d pieces of feedback were joined and %d refused", joined, len(verdicts) - joined)
